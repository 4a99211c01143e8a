/**
 * The XDP program of Direct Server Return: the decision of `../decision.ts` as stages, put together for a
 * configuration. What is off leaves no code. docs/internals/dsr-program.md draws the way through it.
 */
import { prune } from '../../bpf/asm/index.js';
import type { ProgramSpec } from '../../bpf/program.js';
import type { ProgramOptions } from '../layout.js';
import { arpStage } from './arp.js';
import { chooseStage, flowStage } from './flow.js';
import { countStage, forwardStage, outcomeStages } from './forward.js';
import { fragmentStage, rememberStage } from './fragment.js';
import { icmpStage } from './icmp.js';
import { ipv4Stage, ipv6Stage } from './ip.js';
import type { VipMaps } from './known-vips.js';
import { linkStage } from './link.js';
import { deniedStage, serviceStage } from './service.js';
import { solicitationStage } from './solicitation.js';
import { tarpitStage } from './tarpit.js';
import { tooBigStage } from './too-big.js';
import { tunnelStage } from './tunnel.js';
import { Workspace } from './workspace.js';

/**
 * The program for these options; it names its maps by `MapName`. At least one family must be on. With `vips`, all
 * that there are, it knows them by heart if they are few: then another program must take its place before one of
 * them changes.
 */
export function dsrProgram(options: ProgramOptions, vips?: VipMaps): ProgramSpec {
  if (!options.ipv4 && !options.ipv6) throw new RangeError('a DSR program is for IPv4, IPv6 or both');
  const w = new Workspace(options, vips);
  // The way of nearly every packet comes first, so that it lies together.
  linkStage(w);
  if (options.ipv4) ipv4Stage(w);
  if (options.ipv6) ipv6Stage(w);
  serviceStage(w);
  flowStage(w);
  forwardStage(w);
  countStage(w);
  chooseStage(w);
  if (options.tunnels) {
    tunnelStage(w);
    tooBigStage(w);
  }
  if (options.acl) deniedStage(w);
  if (options.ipv4) {
    fragmentStage(w, 4);
    icmpStage(w, 4);
    arpStage(w);
  }
  if (options.ipv6) {
    fragmentStage(w, 6);
    icmpStage(w, 6);
    solicitationStage(w);
  }
  rememberStage(w);
  if (options.tarpit) tarpitStage(w);
  outcomeStages(w);
  return { name: 'pen_dsr', code: prune(w.b.code) };
}
