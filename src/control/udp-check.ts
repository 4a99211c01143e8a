/** What cannot be had together with UDP, so that nothing is accepted and ignored. */
import { isUnspecified, type Setup } from './draft.js';

/** The problems of a Setup that balances UDP, a line each. */
export function udpProblems({ configuration, listen }: Setup): string[] {
  const { settings, servers, emergency, abuse } = configuration;
  if (!settings.udp) return [];
  const problems: string[] = [];
  if (listen?.endpoint.kind === 'unix')
    problems.push('cannot listen on a Unix socket for UDP (give an address and port)');
  const isUnix = [...servers, emergency, abuse].some((spec) => spec?.endpoint?.kind === 'unix');
  if (isUnix) problems.push('a server of UDP cannot be a Unix socket (give an address and port)');
  if (settings.transparentListen && listen !== undefined && !isUnspecified(listen.endpoint)) {
    // Only a wildcard socket tells where a datagram was going, which is where its answer must come from.
    problems.push('transparent listen of UDP needs a wildcard address to listen on (0.0.0.0:PORT or :::PORT)');
  }
  if (settings.dummy) problems.push('dummy is for TCP, not for UDP');
  if (settings.http) problems.push('http is for TCP, not for UDP');
  if (settings.peek) problems.push('peek is for TCP, not for UDP');
  const slot = servers.findIndex(({ proxy }) => proxy === 'v1');
  if (slot >= 0) problems.push(`server ${slot} proxy v1 is for TCP, not for UDP (v2 knows of datagrams)`);
  if (settings.idlers > 0) problems.push('idlers are TCP connections, UDP has none');
  return problems;
}
