/**
 * Which number a server of a VIP has in `reals`. A number that is given to another server gets another generation, so
 * that flows and fragments of the one before do not follow; what it counted before does not count for it either.
 */
import type { IpWords } from '../core/address.js';
import { DsrError } from './errors.js';
import { EMERGENCY_REAL } from './layout.js';
import { realValueOf } from './record.js';
import type { ControlTables, Traffic } from './tables.js';

/** Servers that there may be, of all VIPs together: numbers have 16 bits, three of which are not theirs. */
export const MAX_REALS = EMERGENCY_REAL - 1;

/** A server that another process has given a number. */
export interface AdoptedReal {
  readonly real: number;
  readonly generation: number;
  readonly vip: number;
  readonly address: IpWords;
}

export interface NumberedReal {
  readonly real: number;
  readonly generation: number;
}

const NO_MAC = new Uint8Array(6);
const NO_TRAFFIC: Traffic = { packets: 0, bytes: 0, flows: 0 };

export class Reals {
  readonly #tables: ControlTables;
  /** Numbers that have been given back, the latest last. */
  readonly #free: number[] = [];
  #next = 1;
  #generation = 0;
  readonly #adopted = new Map<string, NumberedReal>();
  readonly #adoptedNumbers = new Set<number>();
  /** What had been counted when the number was given, if that was not nothing. */
  readonly #bases = new Map<number, Traffic>();

  /** `adopted` keep number and generation when they are asked for. */
  constructor(tables: ControlTables, adopted: readonly AdoptedReal[] = []) {
    this.#tables = tables;
    for (const { real, generation, vip, address } of adopted) {
      this.#adopted.set(real > MAX_REALS ? `spare ${real} ${address}` : `${vip} ${address}`, { real, generation });
      this.#adoptedNumbers.add(real);
      this.#generation = Math.max(this.#generation, generation);
    }
  }

  /** A number for a server of a VIP. Throws a DsrError if none is left. */
  take(vip: number, address: IpWords): NumberedReal {
    const before = this.#adopted.get(`${vip} ${address}`);
    if (before) {
      this.#adopted.delete(`${vip} ${address}`);
      return before;
    }
    const recycled = this.#free.pop();
    while (recycled === undefined && this.#adoptedNumbers.has(this.#next)) this.#next++;
    const real = recycled ?? this.#next++;
    if (real > MAX_REALS) throw new DsrError(`cannot have more than ${MAX_REALS} servers with dsr_if`);
    if (recycled !== undefined || this.#adoptedNumbers.size > 0) this.#bases.set(real, this.#tables.realTraffic(real));
    return { real, generation: ++this.#generation };
  }

  /** The generation of a server outside the tables, which has a number of its own. */
  generationOf(spare: number, address: IpWords): number {
    const name = `spare ${spare} ${address}`;
    const before = this.#adopted.get(name);
    this.#adopted.delete(name);
    return before?.generation ?? ++this.#generation;
  }

  /** Takes the server out of the table and its number back. */
  drop(real: number): void {
    this.#tables.setReal(real, realValueOf({ mac: NO_MAC, state: 0, generation: 0, vip: 0, address: [0, 0, 0, 0] }));
    if (real <= MAX_REALS) this.#free.push(real);
  }

  /** Since the number was given. */
  traffic(real: number): Traffic {
    return since(this.#tables.realTraffic(real), this.#bases.get(real));
  }
}

/** The difference of two counts. */
export function since(now: Traffic, base: Traffic = NO_TRAFFIC): Traffic {
  return { packets: now.packets - base.packets, bytes: now.bytes - base.bytes, flows: now.flows - base.flows };
}
