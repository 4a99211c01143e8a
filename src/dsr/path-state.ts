/** What packets write: flows, fragments, counters. Memory that one thread writes, and others may look at. */
import { type Dimensions, mapLayouts, OUTCOMES, type Outcome, REALS } from './layout.js';
import type { Traffic } from './tables.js';
import { WordTable } from './word-table.js';

/** Numbers of a `trafficValue`, as doubles: exact up to 2^53. */
const TRAFFIC = 3;

export interface PathMemory {
  readonly flows: SharedArrayBuffer;
  readonly fragments: SharedArrayBuffer;
  readonly outcomes: SharedArrayBuffer;
  readonly realTraffic: SharedArrayBuffer;
  readonly vipTraffic: SharedArrayBuffer;
}

export class PathState {
  readonly flows: WordTable;
  readonly fragments: WordTable;
  readonly #outcomes: Float64Array;
  readonly #realTraffic: Float64Array;
  readonly #vipTraffic: Float64Array;

  /** `random` gives 32 bits, which clients must not be able to guess: they choose addresses and ports. */
  static allocate(size: Dimensions, random?: () => number): PathMemory {
    const { flows, fragments } = mapLayouts(size);
    return {
      flows: WordTable.allocate(flows, random),
      fragments: WordTable.allocate(fragments, random),
      outcomes: new SharedArrayBuffer(OUTCOMES * 8),
      realTraffic: new SharedArrayBuffer(REALS * TRAFFIC * 8),
      vipTraffic: new SharedArrayBuffer(size.vips * TRAFFIC * 8),
    };
  }

  constructor(size: Dimensions, memory: PathMemory) {
    const { flows, fragments } = mapLayouts(size);
    this.flows = new WordTable(flows, true, memory.flows);
    this.fragments = new WordTable(fragments, true, memory.fragments);
    this.#outcomes = new Float64Array(memory.outcomes);
    this.#realTraffic = new Float64Array(memory.realTraffic);
    this.#vipTraffic = new Float64Array(memory.vipTraffic);
  }

  count(outcome: Outcome): void {
    this.#outcomes[outcome]++;
  }

  countVip(vip: number, bytes: number, flows: number): void {
    addTraffic(this.#vipTraffic, vip, bytes, flows);
  }

  countReal(real: number, bytes: number, flows: number): void {
    addTraffic(this.#realTraffic, real, bytes, flows);
  }

  outcomes(): number[] {
    return [...this.#outcomes];
  }

  realTraffic(real: number): Traffic {
    return trafficAt(this.#realTraffic, real);
  }

  vipTraffic(vip: number): Traffic {
    return trafficAt(this.#vipTraffic, vip);
  }
}

function addTraffic(table: Float64Array, row: number, bytes: number, flows: number): void {
  table[row * TRAFFIC]++;
  table[row * TRAFFIC + 1] += bytes;
  table[row * TRAFFIC + 2] += flows;
}

function trafficAt(table: Float64Array, row: number): Traffic {
  const at = row * TRAFFIC;
  return { packets: table[at], bytes: table[at + 1], flows: table[at + 2] };
}
