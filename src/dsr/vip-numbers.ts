/** Which number a VIP has, and what has been counted under it since it is that VIP's. */
import { MAX_VIPS, type Vip, vipName } from '../core/vip.js';
import { since } from './reals.js';
import type { ControlTables, Traffic } from './tables.js';
import { Numbers } from './vips.js';

export class VipNumbers {
  readonly #tables: Pick<ControlTables, 'vipTraffic'>;
  readonly #inherited: ReadonlyMap<string, number>;
  readonly #numbers: Numbers;
  /** What had been counted when the number was given, if that was not nothing. */
  readonly #bases = new Map<number, Traffic>();

  /** `inherited`: numbers of an earlier process, whose VIPs keep them and what was counted. */
  constructor(tables: Pick<ControlTables, 'vipTraffic'>, inherited: ReadonlyMap<string, number>) {
    this.#tables = tables;
    this.#inherited = inherited;
    this.#numbers = new Numbers(0, inherited, MAX_VIPS + 1);
  }

  take(vip: Vip): number {
    const index = this.#numbers.take(vipName(vip));
    const counted = this.#tables.vipTraffic(index);
    if (counted.packets > 0 && !this.#inherited.has(vipName(vip))) this.#bases.set(index, counted);
    return index;
  }

  release(index: number): void {
    this.#bases.delete(index);
    this.#numbers.release(index);
  }

  trafficOf(index: number): Traffic {
    return since(this.#tables.vipTraffic(index), this.#bases.get(index));
  }
}
