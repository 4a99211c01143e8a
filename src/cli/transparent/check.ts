/** Looks at the host, tries the servers, and tells what is missing: `--check`, and what pen does when it starts. */
import { type IpWords, isV4 } from '../../core/address.js';
import { transparencyObstacle } from '../../sys/transparency.js';
import { diagnoseHost, diagnoseServer, type Finding } from './diagnosis.js';
import { type LinuxFacts, readLinuxHost } from './linux-host.js';
import { probeServer } from './probe.js';
import type { TransparentSetup } from './setup.js';
import type { Run } from './tools.js';

/** Servers that are tried at a time; what the filter of one has dropped may be put down to another of them. */
const AT_ONCE = 8;

export interface HostCheck {
  readonly facts: LinuxFacts;
  readonly findings: readonly Finding[];
}

/** What the host lacks; the firewall's rules show themselves to root only. Throws a StartError without iproute2. */
export async function checkHost(run: Run, setup: TransparentSetup): Promise<HostCheck> {
  const facts = await readLinuxHost(run, [setup.table]);
  return { facts, findings: diagnoseHost(facts, setup, transparencyObstacle()) };
}

/** Whether each server answers a client through this host: `client` where one is given for its family. */
export async function checkServers(
  run: Run,
  setup: TransparentSetup,
  host: HostCheck,
  clients: readonly IpWords[] = [],
): Promise<Finding[]> {
  const isSetUp = host.findings.every(({ state, piece }) => state !== 'missing' || piece === 'forwarding');
  const findings: Finding[] = [];
  for (let i = 0; i < setup.servers.length; i += AT_ONCE) {
    const some = setup.servers.slice(i, i + AT_ONCE).map(async (server) => {
      const client = clients.find((words) => isV4(words) === (server.family === 4));
      return diagnoseServer(await probeServer(run, server, client), host.facts, isSetUp);
    });
    findings.push(...(await Promise.all(some)));
  }
  return findings;
}
