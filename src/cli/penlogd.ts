/** `penlogd [options] [HOST:]PORT`: one log for all web servers behind pen, with the clients' addresses. */
import { resolveListen } from '../control/resolve.js';
import { ANY_V4, ANY_V6, type IpEndpoint, ipEndpoint } from '../core/address.js';
import { monotonicMs } from '../sys/clock.js';
import { dropPrivileges, lookupUser } from '../sys/privileges.js';
import { FileSink } from '../weblog/file-sink.js';
import { LogServer } from '../weblog/log-server.js';
import { causeOf } from '../weblog/sink.js';
import { connectToParent, type Parent, runInBackground } from './background.js';
import { Ending } from './ending.js';
import { lineOf, StartError, UsageError } from './errors.js';
import { openLog } from './log.js';
import { writePidFile } from './pid-file.js';
import { integerValue, type ShortOptions } from './short-options.js';
import { onSignals } from './signals.js';
import { runSmallProgram } from './small-program.js';

const USAGE = `usage: penlogd [options] [HOST:]PORT

Takes log lines by UDP, from pen (-l) and from web servers (penlog), and writes
those of the web servers with the addresses of the clients.

  -d        tell of lines that have no client or are none; to standard error, or
            in the background to syslog
  -f        stay in the foreground
  -j DIR    confine the process to this directory (chroot)
  -l FILE   append to FILE, opened anew on HUP; in the foreground standard output
            is the default
  -n N      requests to remember (1000)
  -p FILE   write the process number here
  -u USER   drop privileges to this user
`;

const MAX_REQUESTS = 10_000_000;

export async function main(argv: readonly string[]): Promise<void> {
  const parent = connectToParent();
  const run = async (options: ShortOptions) => {
    check(options);
    if (options.count('f') > 0 || parent) await serve(options, parent);
    else process.exitCode = await runInBackground(argv, 'penlogd');
  };
  // -b, "unbuffered", is in C Pen's penlogd for its tests; ours never holds a line back for long.
  await runSmallProgram({ name: 'penlogd', usage: USAGE, flags: 'bdfj:l:n:p:u:', serves: true, run }, argv);
}

function check(options: ShortOptions): void {
  if (options.operands.length !== 1) throw new UsageError('expected one PORT to listen on (see --help)');
  if (options.count('f') === 0 && options.value('l') === undefined) {
    throw new UsageError('nowhere to write: in the background penlogd needs -l FILE (or -f)');
  }
  requests(options);
  const user = options.value('u');
  if (user !== undefined && lookupUser(user) === undefined) {
    throw new StartError(`cannot become user '${user}': no such user`);
  }
}

async function serve(options: ShortOptions, parent: Parent | undefined): Promise<void> {
  const log = openLog(options.count('f') > 0, 'penlogd');
  const ending = new Ending();
  let starting: Promise<LogServer> | undefined;
  const end = async (status: number) => {
    await ending.begin(starting ?? Promise.resolve());
    process.exit(status);
  };
  let server: LogServer | undefined;
  onSignals({
    end: () => void end(0),
    reload: () => void server?.reopen(),
    statistics: () => {},
  });
  parent?.onDeath(() => void end(1));
  process.on('uncaughtException', (failure) => {
    log(0, `fatal: ${lineOf(failure)}`);
    void end(1);
  });
  starting = start(options, log, ending);
  server = await starting;
  const pidFile = options.value('p');
  if (pidFile !== undefined) {
    const written = writePidFile(pidFile, 'penlogd');
    ending.add(() => written.remove());
    process.on('exit', () => written.remove());
  }
  dropPrivileges({ user: options.value('u'), root: options.value('j') });
  await parent?.ready();
}

async function start(options: ShortOptions, log: ReturnType<typeof openLog>, ending: Ending): Promise<LogServer> {
  const [where] = options.operands;
  const file = options.value('l');
  const sink =
    file === undefined
      ? FileSink.on(1, 'standard output')
      : await FileSink.open(file).catch((error: unknown) => {
          throw new StartError(`cannot open log '${file}': ${causeOf(error)}`);
        });
  const isDebugging = options.count('d') > 0;
  const server = await listen(where, (endpoint) =>
    LogServer.start({
      listen: endpoint,
      capacity: requests(options),
      sink,
      monotonicMs,
      warn: (line) => log(0, line),
      debug: (line) => {
        if (isDebugging) log(1, line);
      },
    }),
  );
  ending.add(() => server.close());
  return server;
}

/** A port alone means every address, IPv6 ones too where there are any. */
async function listen<T>(text: string, start: (endpoint: IpEndpoint) => Promise<T>): Promise<T> {
  const { endpoint } = await resolveListen(text);
  if (endpoint.kind === 'unix') throw new UsageError(`'${text}' is not [HOST:]PORT`);
  const isEverywhere = !text.includes(':');
  try {
    return await start(isEverywhere ? ipEndpoint(ANY_V6, endpoint.port) : endpoint).catch((error: unknown) => {
      if (!isEverywhere || causeOf(error) !== 'EAFNOSUPPORT') throw error;
      return start(ipEndpoint(ANY_V4, endpoint.port));
    });
  } catch (error) {
    throw new StartError(`cannot listen on '${text}': ${causeOf(error)}`);
  }
}

function requests(options: ShortOptions): number {
  return integerValue(options, 'n', { min: 1, max: MAX_REQUESTS, fallback: 1000 });
}
