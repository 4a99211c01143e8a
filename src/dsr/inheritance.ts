/** What an earlier process decided, whose packets go on, as the controller goes on from it. Pure. */
import { REAL_SERVES } from './layout.js';
import type { Inherited } from './pinned-path.js';
import { type Reached, targetName } from './reach.js';
import type { AdoptedReal } from './reals.js';
import { epochOf, generationOf, realOf } from './record.js';
import { numbersIn } from './vips.js';

export interface Inheritance {
  readonly reals: readonly AdoptedReal[];
  /** How servers were reached that served, by name. */
  readonly reached: ReadonlyMap<string, Reached>;
  /** The latest that was given to a server. */
  readonly generation: number;
  readonly epoch: number;
  /** By the names of VIPs. */
  readonly vipNumbers: ReadonlyMap<string, number>;
}

const NOTHING: Inheritance = { reals: [], reached: new Map(), generation: 0, epoch: 0, vipNumbers: new Map() };

export function inheritanceFrom(inherited: Inherited | undefined): Inheritance {
  if (!inherited) return NOTHING;
  const { control, vips, prefixes } = inherited;
  const reals = realsIn(inherited);
  const reached = new Map<string, Reached>();
  for (const { state, address, mac, tunnel } of reals) {
    if ((state & REAL_SERVES) === 0) continue;
    reached.set(targetName({ address, encap: tunnel?.encap ?? 'none' }), { mac, tunnel });
  }
  const [generation, epoch] = [generationOf(control), epochOf(control)];
  return { reals, reached, generation, epoch, vipNumbers: numbersIn(vips, prefixes) };
}

/** The servers that had numbers. */
function realsIn({ reals }: Inherited) {
  return reals
    .map(([key, value]) => ({ real: new DataView(key.buffer, key.byteOffset).getUint32(0, true), ...realOf(value) }))
    .filter(({ address }) => address.some((word) => word !== 0));
}
