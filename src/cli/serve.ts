/**
 * Puts the parts together, in this order: command line and file checked (control) -> data plane (proxy) ->
 * control port -> pid file -> privileges dropped -> serving. If a step fails, those before it are undone.
 */
import { randomInt } from 'node:crypto';
import { BpfError } from '../bpf/errors.js';
import { takesFrames, takesTraffic } from '../control/draft.js';
import { ConfigurationError } from '../control/errors.js';
import { listenCause } from '../control/listen-cause.js';
import { Service } from '../control/service.js';
import { type Endpoint, formatEndpoint } from '../core/address.js';
import { isTransparent, type ServerSpec } from '../core/configuration.js';
import type { DsrOptions } from '../dsr/dsr-plane.js';
import { DsrError } from '../dsr/errors.js';
import { AVAILABLE_ENGINES } from '../engine/choose.js';
import type { DataPlane } from '../proxy/data-plane.js';
import { startDataPlane } from '../proxy/workers.js';
import { monotonicMs } from '../sys/clock.js';
import { SystemError } from '../sys/errno.js';
import { dropPrivileges, lookupUser } from '../sys/privileges.js';
import { transparencyCapabilities } from '../sys/transparency.js';
import { takeShortTurns } from '../sys/turns.js';
import type { Parent } from './background.js';
import { Ending } from './ending.js';
import { lineOf, StartError, UsageError } from './errors.js';
import { openLog } from './log.js';
import type { Options } from './options.js';
import { writePidFile } from './pid-file.js';
import { onSignals } from './signals.js';
import { warnOfMissingPieces } from './transparent/startup.js';
import { version } from './version.js';

/** Checks the command line and the file without starting anything; gives a line that says so. Throws what is wrong. */
export async function check(options: Options): Promise<string> {
  const service = makeService(options, { log() {}, print() {}, exit() {} });
  await prepare(service, options);
  const { servers, vips } = service.setup.configuration;
  const ofVips = vips.reduce((sum, vip) => sum + vip.servers.length, 0);
  return `good: ${servers.filter(judgeOf(service)).length + ofVips} servers`;
}

/** Serves until TERM, INT or the control command `exit`; returns when clients are taken. */
export async function serve(options: Options, parent: Parent | undefined): Promise<void> {
  const ending = new Ending();
  let starting: Promise<void> = Promise.resolve();
  const end = async (status: number) => {
    await ending.begin(starting);
    process.exit(status);
  };

  const service = makeService(options, {
    log: openLog(options.foreground),
    print: (text) => void (parent ? parent.print(text) : process.stdout.write(text)),
    exit: (status) => void end(status),
  });
  let isReady = false;
  onSignals({
    end: () => void end(0),
    reload: () => void (isReady && service.reload()),
    statistics: () => void (isReady && service.writeStatistics()),
  });

  parent?.onDeath(() => void end(1));
  process.on('uncaughtException', (failure) => {
    // Nobody looks at the log yet: whoever started us is told.
    if (!isReady) process.stderr.write(`pen: ${lineOf(failure)}\n`);
    service.fatal(failure);
  });

  starting = start(service, options, ending);
  try {
    await starting;
  } catch (failure) {
    await ending.begin(starting);
    throw failure;
  }
  isReady = true;
  await parent?.ready();
}

async function start(service: Service, options: Options, ending: Ending): Promise<void> {
  const proceed = () => {
    if (ending.hasBegun) throw new StartError('told to end while starting');
  };
  await prepare(service, options);
  proceed();
  ending.add(() => service.stop());
  // Whatever this thread does, be it a reading of /metrics with a thousand servers: traffic comes first.
  takeShortTurns();
  await service.start();
  proceed();
  if (options.control !== undefined) {
    await service.openControl(options.control, { root: process.getuid?.() === 0 && options.user === undefined });
    proceed();
  }
  if (options.pidFile !== undefined) {
    const pidFile = writePidFile(options.pidFile);
    ending.add(() => pidFile.remove());
    process.on('exit', () => pidFile.remove());
  }
  const { configuration } = service.setup;
  const { settings } = configuration;
  // While we may still see the firewall's rules.
  const tryServers = await warnOfMissingPieces(configuration, (line) => service.log(0, line));
  proceed();
  const keep = isTransparent(settings) ? transparencyCapabilities() : [];
  if (dropPrivileges({ user: options.user, root: options.root, keep }))
    await service.dataPlane.reduceCapabilities(keep);
  service.log(0, greeting(service.dataPlane));
  void tryServers();
}

function greeting({ engine, engineReason, listening, threads, frames }: DataPlane): string {
  const vips = frames?.vips() ?? [];
  const where = listening ? formatEndpoint(listening) : (vips[0]?.vip ?? 'no VIP yet');
  if (vips.length > 1) return `serving ${vips.length} VIPs by direct return (${engineReason})`;
  if (engine === 'xdp') return `serving ${where.replace(/:0$/, ', every port')} by direct return (${engineReason})`;
  const workers = threads === 1 ? '1 thread' : `${threads} threads`;
  return `serving on ${where} with engine ${engine} (${engineReason}), ${workers}`;
}

async function prepare(service: Service, options: Options): Promise<void> {
  if (options.user !== undefined && lookupUser(options.user) === undefined) {
    throw new StartError(`cannot become user '${options.user}': no such user`);
  }
  try {
    await service.prepare({
      ...(options.listen === undefined ? {} : { listen: options.listen }),
      servers: options.servers,
      commands: options.commands,
      ...(options.configFile === undefined ? {} : { file: options.configFile }),
    });
  } catch (failure) {
    if (failure instanceof ConfigurationError && failure.isUsage) {
      throw new UsageError(failure.message, { cause: failure });
    }
    throw failure;
  }
  const { servers, emergency, settings, vips } = service.setup.configuration;
  if (options.user !== undefined && isTransparent(settings) && process.platform !== 'linux') {
    throw new StartError(
      `cannot be transparent as '${options.user}': ${process.platform} lets only root (leave out -u)`,
    );
  }
  const hasServers = [...servers, emergency].some(judgeOf(service)) || vips.some((vip) => vip.servers.length > 0);
  if (options.control === undefined && !hasServers) {
    throw new UsageError('no servers (name at least one after the listening address, or in the -F file)');
  }
}

/** Says which servers are some, in the mode that has been asked for. */
function judgeOf({ setup }: Service): (spec: ServerSpec | undefined) => boolean {
  return setup.dsrInterface === undefined ? takesTraffic : takesFrames;
}

type Surroundings = Pick<ConstructorParameters<typeof Service>[0], 'log' | 'print' | 'exit'>;

function makeService(options: Options, surroundings: Surroundings): Service {
  const { log } = surroundings;
  const service = new Service({
    ...surroundings,
    startDataPlane: (configuration, listen, engine, { dsrInterface, dsrMode, dsrPin }) => {
      if (dsrInterface !== undefined) {
        // A program is pinned before it is put in place, and inside another root there is nowhere to.
        const canPin = dsrPin === undefined || options.root === undefined;
        const mayLoad = options.user === undefined && canPin;
        const where = { interfaceName: dsrInterface, mode: dsrMode, pinDirectory: dsrPin };
        return startDirect({ configuration, listen, ...where, mayLoad }, service);
      }
      // Only direct server return has anything to serve without it, and `prepare` saw to that.
      if (!listen) throw new StartError('nowhere to listen');
      return startDataPlane({
        configuration,
        listen,
        engine,
        seed: randomInt(2 ** 32),
        log: (level, line) => service.tellAt(level, line),
        failed: (failure) => service.fatal(failure),
      }).catch((failure) => {
        throw failure instanceof SystemError && failure.syscall === 'listen' ? cannotListen(listen, failure) : failure;
      });
    },
    engines: AVAILABLE_ENGINES,
    monotonicMs,
    wallMs: Date.now,
    becameTransparent: (configuration) => {
      void warnOfMissingPieces(configuration, (line) => log(0, line)).then((tryServers) => tryServers());
    },
    abort: () => process.abort(),
    pid: process.pid,
    version: version(),
    // Loaded only where it is wanted: most run without.
    openAdmin: async (endpoint, service) => {
      const { AdminServer } = await import('../admin/admin-server.js');
      return AdminServer.listen(endpoint, service);
    },
    allowExit: options.allowExit,
  });
  return service;
}

/** Loaded only where it is asked for: the proxy has no use for it. */
async function startDirect(
  wanted: Pick<DsrOptions, 'configuration' | 'listen' | 'interfaceName' | 'mode' | 'pinDirectory' | 'mayLoad'>,
  service: Service,
): Promise<DataPlane> {
  const { configuration, interfaceName } = wanted;
  if (process.platform !== 'linux' && process.platform !== 'freebsd') {
    throw new StartError(
      `cannot return directly on '${interfaceName}': ${process.platform} has no way for it (Linux has XDP and packet rings, FreeBSD netmap)`,
    );
  }
  const { startDsr } = await import('../dsr/start.js');
  return startDsr({
    ...wanted,
    udp: configuration.settings.udp,
    log: (line) => service.tell('plain', line),
    failed: (failure) => service.fatal(failure),
  }).catch((failure) => {
    const isOurs = failure instanceof DsrError || failure instanceof SystemError || failure instanceof BpfError;
    throw isOurs ? new StartError(failure.message, { cause: failure }) : failure;
  });
}

function cannotListen(endpoint: Endpoint, failure: SystemError): StartError {
  const why = listenCause(failure, endpoint);
  return new StartError(`cannot listen on '${formatEndpoint(endpoint)}': ${why}`, { cause: failure });
}
