/** What is wrong with a Setup as a whole, however each of its parts was put: checked before any of it is applied. */
import { isTransparent, type ServerSpec } from '../core/configuration.js';
import { vipName } from '../core/vip.js';
import { isLoopback } from './control-access.js';
import type { Setup } from './draft.js';
import { tlsProblem } from './tls-keeper.js';
import { udpProblems } from './udp-check.js';

/** A line each; none if the Setup can be had. */
export function setupProblems(setup: Setup): string[] {
  return [
    portProblem(setup),
    directProblem(setup),
    vipProblem(setup),
    encapProblem(setup),
    adminProblem(setup),
    tlsProblem(setup),
  ]
    .filter((problem) => problem !== undefined)
    .concat(udpProblems(setup));
}

/** A listening address without a port, if it must have one. */
function portProblem({ listen, dsrInterface }: Setup): string | undefined {
  if (!listen?.isPortless || dsrInterface !== undefined) return undefined;
  return `'${listen.text}' has no port (write HOST:PORT)`;
}

/** What cannot be had together with direct server return, or without it. */
function directProblem({ configuration, dsrInterface, dsrMode, dsrPin }: Setup): string | undefined {
  const { settings } = configuration;
  if (dsrInterface === undefined) {
    if (dsrPin !== undefined) return 'dsr_pin is for direct server return (add dsr_if IF)';
    if (settings.tarpitAcl >= 0) return 'tarpit_acl is for direct server return (add dsr_if IF)';
    if (settings.dsrRole !== 'master') return 'dsr_role is for direct server return (add dsr_if IF)';
    return undefined;
  }
  if ((dsrMode === 'packet' || dsrMode === 'netmap') && dsrPin !== undefined)
    return `dsr_pin keeps a program in the kernel: with dsr_mode ${dsrMode} there is none (leave one of them out)`;
  if (settings.log !== undefined)
    return 'log is for the proxy: with dsr_if pen sees no requests and no connections (leave it out)';
  if (!isTransparent(settings)) return undefined;
  return 'transparent is for the proxy: with dsr_if servers see their clients anyway (leave it out)';
}

/** Services that only direct server return has. */
function vipProblem({ configuration, dsrInterface }: Setup): string | undefined {
  const [first] = configuration.vips;
  if (first === undefined || dsrInterface !== undefined) return undefined;
  return `dsr_vip ${vipName(first)} is for direct server return (give it an interface: dsr_if IF)`;
}

/** A proxy's connections need no tunnel. */
function encapProblem({ configuration, dsrInterface }: Setup): string | undefined {
  if (dsrInterface !== undefined) return undefined;
  const { servers, emergency, abuse } = configuration;
  const slot = servers.findIndex(({ encap }) => encap !== 'none');
  const isFar = (spec: ServerSpec | undefined) => spec !== undefined && spec.encap !== 'none';
  const who = slot >= 0 ? `server ${slot}` : isFar(emergency) ? 'emergency' : isFar(abuse) ? 'abuse_server' : undefined;
  return who && `${who}: encap is for direct server return (-O "dsr_if IF", or leave it out)`;
}

/** Other hosts must not command pen without a token. */
function adminProblem({ admin, adminToken }: Setup): string | undefined {
  if (!admin || adminToken || admin.endpoint.kind === 'unix' || isLoopback(admin.endpoint)) return undefined;
  return `other hosts could command pen at '${admin.text}' (set admin_token FILE first)`;
}
