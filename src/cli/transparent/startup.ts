/** What a starting pen says of a host that is not set up for `transparent`: what is missing, and nothing else. */
import { takesTraffic } from '../../control/draft.js';
import type { IpEndpoint } from '../../core/address.js';
import { type Configuration, isTransparent } from '../../core/configuration.js';
import { lineOf } from '../errors.js';
import { checkHost, checkServers, type HostCheck } from './check.js';
import { type Finding, findingLine } from './diagnosis.js';
import { defaultSetup, type TransparentSetup } from './setup.js';
import { runTool } from './tools.js';

type Warn = (line: string) => void;

/** More are not tried: those that one gateway serves fail together, and each that fails takes seconds. */
const MOST_SERVERS = 64;

/**
 * Looks at the host, if connections or the listener are transparent, and warns; to be awaited while this process is
 * still root. Gives what to do next, without waiting: try the servers, where this host seems to have what it needs.
 */
export async function warnOfMissingPieces(configuration: Configuration, warn: Warn): Promise<() => Promise<void>> {
  const { servers, settings } = configuration;
  if (!isTransparent(settings) || process.platform !== 'linux') return async () => {};
  const endpoints = servers.filter(takesTraffic).flatMap(({ endpoint }) => (endpoint?.kind === 'ip' ? [endpoint] : []));
  const setup: TransparentSetup = { ...defaultSetup, servers: unique(endpoints).slice(0, MOST_SERVERS) };
  let host: HostCheck;
  try {
    host = await checkHost(runTool, setup);
  } catch (failure) {
    warn(`transparent: cannot check the set-up of this host: ${lineOf(failure)}`);
    return async () => {};
  }
  const tell = (findings: readonly Finding[]) => {
    for (const finding of findings) if (finding.state === 'missing') warn(`transparent: ${findingLine(finding)}`);
  };
  tell(host.findings);
  return async () => {
    const isReady = host.findings.every(({ state, piece }) => state !== 'missing' || piece === 'forwarding');
    if (isReady && settings.transparent !== 'off') tell(await checkServers(runTool, setup, host));
  };
}

function unique(endpoints: readonly IpEndpoint[]): IpEndpoint[] {
  return [...new Map(endpoints.map((endpoint) => [JSON.stringify(endpoint), endpoint])).values()];
}
