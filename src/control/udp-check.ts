/** What cannot be had together with UDP, so that nothing is accepted and ignored. */
import { isTransparent } from '../core/configuration.js';
import type { Setup } from './draft.js';

/** The problems of a Setup that balances UDP, a line each. */
export function udpProblems({ configuration, listen }: Setup): string[] {
  const { settings, servers, emergency, abuse } = configuration;
  if (!settings.udp) return [];
  const problems: string[] = [];
  if (listen?.endpoint.kind === 'unix')
    problems.push('cannot listen on a Unix socket for UDP (give an address and port)');
  const isUnix = [...servers, emergency, abuse].some((spec) => spec?.endpoint?.kind === 'unix');
  if (isUnix) problems.push('a server of UDP cannot be a Unix socket (give an address and port)');
  if (settings.dummy) problems.push('dummy is for TCP, not for UDP');
  if (isTransparent(settings)) problems.push('transparent is for TCP, it is not available yet for UDP');
  if (settings.idlers > 0) problems.push('idlers are TCP connections, UDP has none');
  return problems;
}
