/** The tables in this process's memory: for the decision in TypeScript, and for tests of the controller. */
import { monotonicMs } from '../sys/clock.js';
import { ERRNO, SystemError } from '../sys/errno.js';
import {
  ANSWER_WINDOW_BITS,
  controlValue,
  type Dimensions,
  mapLayouts,
  NO_REAL,
  OUTCOMES,
  type Outcome,
  REALS,
  realValue,
} from './layout.js';
import { PrefixTable } from './prefix-table.js';
import { StructMemory } from './struct-memory.js';
import type { ControlTables, PathTables, Traffic } from './tables.js';
import { WordTable } from './word-table.js';

const REAL_WORDS = realValue.bytes >> 2;
const WINDOW_MS = 2 ** ANSWER_WINDOW_BITS / 1e6;

/** Numbers of a `trafficValue`, as doubles: exact up to 2^53. */
const TRAFFIC = 3;

/** What the path writes, where another thread can look at it. */
export interface PathMemory {
  readonly flows: SharedArrayBuffer;
  readonly fragments: SharedArrayBuffer;
  readonly outcomes: SharedArrayBuffer;
  readonly realTraffic: SharedArrayBuffer;
  readonly vipTraffic: SharedArrayBuffer;
}

export class MemoryTables implements PathTables, ControlTables {
  readonly control: Uint8Array;
  readonly #vips: WordTable;
  readonly #prefixes = new PrefixTable<Uint8Array>();
  readonly #acl = new PrefixTable<number>();
  readonly #flows: WordTable;
  readonly #fragments: WordTable;
  readonly #reals = new Uint8Array(REALS * realValue.bytes);
  readonly #realWords = new Int32Array(this.#reals.buffer);
  /** By VIP. */
  readonly #slots = new Map<number, Uint16Array>();
  readonly #outcomes: Float64Array;
  readonly #realTraffic: Float64Array;
  readonly #vipTraffic: Float64Array;
  readonly #nowMs: () => number;
  readonly #controlView: DataView;
  #answerWindow = -1;
  #answersUsed = 0;

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

  /**
   * Over the same memory there may be another one, in another thread, whose part the path does not touch. `nowMs` is the
   * clock that bounds answers.
   */
  constructor(size: Dimensions, memory = MemoryTables.allocate(size), nowMs: () => number = monotonicMs) {
    this.#nowMs = nowMs;
    const layouts = mapLayouts(size);
    this.control = new Uint8Array(layouts.control.valueBytes);
    this.#controlView = new DataView(this.control.buffer);
    this.#vips = new WordTable(layouts.vips, false);
    this.#flows = new WordTable(layouts.flows, true, memory.flows);
    this.#fragments = new WordTable(layouts.fragments, true, memory.fragments);
    this.#outcomes = new Float64Array(memory.outcomes);
    this.#realTraffic = new Float64Array(memory.realTraffic);
    this.#vipTraffic = new Float64Array(memory.vipTraffic);
  }

  findVip(key: StructMemory, value: StructMemory): boolean {
    return this.#vips.find(key.words, value.words);
  }

  findPrefix(key: StructMemory, value: StructMemory): boolean {
    const found = this.#prefixes.find(key.bytes);
    if (found) value.bytes.set(found);
    return found !== undefined;
  }

  permittedBy(key: StructMemory): number {
    return this.#acl.find(key.bytes) ?? 0;
  }

  findFlow(key: StructMemory, value: StructMemory): boolean {
    return this.#flows.find(key.words, value.words);
  }

  /** From any thread, without a trace. */
  peekFlow(key: StructMemory, value: StructMemory): boolean {
    return this.#flows.peek(key.words, value.words);
  }

  /** From any thread, without a trace. */
  peekFragment(key: StructMemory, value: StructMemory): boolean {
    return this.#fragments.peek(key.words, value.words);
  }

  putFlow(key: StructMemory, value: StructMemory): void {
    this.#flows.put(key.words, value.words);
  }

  findFragment(key: StructMemory, value: StructMemory): boolean {
    return this.#fragments.find(key.words, value.words);
  }

  putFragment(key: StructMemory, value: StructMemory): void {
    this.#fragments.put(key.words, value.words);
  }

  readReal(real: number, { words }: StructMemory): void {
    const at = real * REAL_WORDS;
    for (let i = 0; i < REAL_WORDS; i++) words[i] = this.#realWords[at + i];
  }

  slotsOf(vip: number): number {
    return this.#slots.get(vip)?.length ?? 0;
  }

  slot(vip: number, slot: number): number {
    return this.#slots.get(vip)?.[slot] ?? NO_REAL;
  }

  takeAnswer(): boolean {
    const window = Math.floor(this.#nowMs() / WINDOW_MS);
    if (window !== this.#answerWindow) this.#answersUsed = 0;
    this.#answerWindow = window;
    if (this.#answersUsed >= this.#controlView.getUint32(controlValue.at.answers, true)) return false;
    this.#answersUsed++;
    return true;
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

  setControl(value: Uint8Array): void {
    this.control.set(value);
  }

  setVip(key: Uint8Array, value: Uint8Array): void {
    if (!this.#vips.put(StructMemory.of(key).words, StructMemory.of(value).words))
      throw new SystemError('update vips', ERRNO.E2BIG);
  }

  deleteVip(key: Uint8Array): void {
    this.#vips.delete(StructMemory.of(key).words);
  }

  setPrefix(key: Uint8Array, value: Uint8Array): void {
    this.#prefixes.set(key, value);
  }

  deletePrefix(key: Uint8Array): void {
    this.#prefixes.delete(key);
  }

  setAcl(key: Uint8Array, value: Uint8Array): void {
    this.#acl.set(key, new DataView(value.buffer, value.byteOffset).getUint32(0, true));
  }

  deleteAcl(key: Uint8Array): void {
    this.#acl.delete(key);
  }

  setReal(real: number, value: Uint8Array): void {
    this.#reals.set(value, real * realValue.bytes);
  }

  setSlots(vip: number, reals: Uint16Array): void {
    this.#slots.set(vip, reals);
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

  async countFlows(): Promise<number> {
    return this.#flows.size;
  }

  get aclSize(): number {
    return this.#acl.size;
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
