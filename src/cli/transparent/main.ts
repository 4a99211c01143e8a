/** `pen transparent-setup`: does what its arguments ask. */

import { CommandError } from '../../control/errors.js';
import { resolveServer } from '../../control/resolve.js';
import type { IpEndpoint } from '../../core/address.js';
import { StartError, UsageError } from '../errors.js';
import { apply, linuxMeans, undo } from './apply.js';
import { parseSetupArguments, SETUP_USAGE, type SetupArguments } from './arguments.js';
import { checkHost, checkServers } from './check.js';
import { findingLine } from './diagnosis.js';
import { linuxFamilies } from './linux-host.js';
import { type Means, setupScript } from './script.js';
import { FAMILIES, type TransparentSetup } from './setup.js';
import { type Run, runTool } from './tools.js';

/** Gives what to print and the exit status. Throws UsageError and StartError. */
export async function transparentSetup(argv: readonly string[]): Promise<{ text: string; status: number }> {
  const options = parseSetupArguments(argv);
  if (options.action === 'help') return { text: SETUP_USAGE, status: 0 };
  const setup = await setupOf(options);
  const run = runTool;
  if (options.action === 'check') return await check(run, setup, options);
  const means = await meansHere(run);
  if (options.action === 'print') {
    requireServers(means, setup);
    return { text: setupScript(setup, means, process.platform === 'linux' ? linuxFamilies() : FAMILIES), status: 0 };
  }
  if (means === 'pf') {
    throw new StartError(
      "nothing to do on openbsd: pf's rules are yours alone (pen transparent-setup --print shows the lines for pf.conf)",
    );
  }
  if (options.action === 'apply') requireServers(means, setup);
  const act = options.action === 'apply' ? apply : undo;
  const lines = await act(run, setup, means);
  if (lines.length === 0) return { text: 'nothing to do\n', status: 0 };
  return { text: lines.map((line) => `${line}\n`).join(''), status: 0 };
}

async function check(run: Run, setup: TransparentSetup, options: SetupArguments) {
  if (process.platform !== 'linux') {
    throw new StartError(`cannot check on ${process.platform} (--print shows what is needed)`);
  }
  const host = await checkHost(run, setup);
  const findings = [...host.findings, ...(await checkServers(run, setup, host, options.clients))];
  const status = findings.some(({ state }) => state === 'missing') ? 1 : 0;
  return { text: findings.map((finding) => `${findingLine(finding)}\n`).join(''), status };
}

async function setupOf({ table, mark, interceptions, from, servers }: SetupArguments): Promise<TransparentSetup> {
  const resolved = await Promise.all(servers.map(resolve));
  return { table, mark, interceptions, from, servers: resolved };
}

async function resolve(text: string): Promise<IpEndpoint> {
  try {
    const { endpoint } = await resolveServer(text, undefined);
    if (endpoint?.kind === 'ip' && endpoint.port !== 0) return endpoint;
  } catch (failure) {
    if (!(failure instanceof CommandError)) throw failure;
    throw new UsageError(`server '${text}': ${failure.message}`, { cause: failure });
  }
  throw new UsageError(`server '${text}': expected HOST:PORT`);
}

async function meansHere(run: Run): Promise<Means> {
  if (process.platform === 'linux') return await linuxMeans(run);
  if (process.platform === 'freebsd') return 'ipfw';
  if (process.platform === 'openbsd') return 'pf';
  throw new StartError(`cannot set up ${process.platform}: it has no transparent sockets`);
}

/** The BSDs' rules name each server. */
function requireServers(means: Means, { servers }: TransparentSetup): void {
  if ((means === 'ipfw' || means === 'pf') && servers.length === 0) {
    throw new UsageError('name the servers, HOST:PORT each: the rules are about their replies');
  }
}
