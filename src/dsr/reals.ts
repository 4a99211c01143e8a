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

  /** `adopted` keep number and generation when they are asked for; `generation`: the latest that was given before. */
  constructor(tables: ControlTables, adopted: readonly AdoptedReal[] = [], generation = 0) {
    this.#tables = tables;
    this.#generation = generation;
    for (const { real, generation, vip, address } of adopted) {
      this.#adopted.set(real > MAX_REALS ? `spare ${real} ${address}` : `${vip} ${address}`, { real, generation });
      this.#adoptedNumbers.add(real);
      this.#generation = Math.max(this.#generation, generation);
    }
  }

  /** The latest that was given. */
  get generation(): number {
    return this.#generation;
  }

  /** How many numbers there are to be taken. */
  get left(): number {
    let left = this.#free.length + MAX_REALS + 1 - this.#next;
    for (const real of this.#adoptedNumbers) if (real >= this.#next && real <= MAX_REALS) left--;
    for (const { real } of this.#adopted.values()) if (real <= MAX_REALS) left++;
    return left;
  }

  /** A number for a server of a VIP. Throws a DsrError if none is left. */
  take(vip: number, address: IpWords): NumberedReal {
    const before = this.#adopted.size > 0 ? this.#claimed(`${vip} ${address}`) : undefined;
    if (before) return before;
    const recycled = this.#free.pop();
    const real = recycled ?? this.#fresh() ?? this.#unclaimed();
    if (real === undefined) throw new DsrError(`cannot have more than ${MAX_REALS} servers with dsr_if`);
    if (recycled !== undefined || this.#adoptedNumbers.size > 0) this.#bases.set(real, this.#tables.realTraffic(real));
    return { real, generation: ++this.#generation };
  }

  /** One that nobody has had here or before. */
  #fresh(): number | undefined {
    while (this.#adoptedNumbers.has(this.#next)) this.#next++;
    return this.#next > MAX_REALS ? undefined : this.#next++;
  }

  /** One that was another server's before, which has not been asked for so far. */
  #unclaimed(): number | undefined {
    for (const [name, { real }] of this.#adopted) {
      if (real > MAX_REALS) continue;
      this.#adopted.delete(name);
      return real;
    }
    return undefined;
  }

  /** The generation of a server outside the tables, which has a number of its own. */
  generationOf(spare: number, address: IpWords): number {
    return this.#claimed(`spare ${spare} ${address}`)?.generation ?? ++this.#generation;
  }

  #claimed(name: string): NumberedReal | undefined {
    const before = this.#adopted.get(name);
    this.#adopted.delete(name);
    return before;
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
