/** The tables in this process's memory: for the decision in TypeScript, and for tests of the controller. */
import { monotonicMs } from '../sys/clock.js';
import { ERRNO, SystemError } from '../sys/errno.js';
import {
  ANSWER_WINDOW_BITS,
  aclValue,
  controlValue,
  type Dimensions,
  mapLayouts,
  NO_REAL,
  type Outcome,
  realValue,
  vipValue,
} from './layout.js';
import { type PathMemory, PathState } from './path-state.js';
import { PrefixTable } from './prefix-table.js';
import { StructMemory } from './struct-memory.js';
import type { ControlTables, PathTables, Traffic } from './tables.js';
import { WordTable } from './word-table.js';

const WINDOW_MS = 2 ** ANSWER_WINDOW_BITS / 1e6;
const NOBODY = new StructMemory(realValue.bytes);

export interface MemoryTablesOptions {
  /** What other threads that share this one's flows have written. */
  readonly others?: readonly PathMemory[];
  /** The clock that bounds answers. */
  readonly nowMs?: () => number;
}

export class MemoryTables implements PathTables, ControlTables {
  readonly control: Uint8Array;
  vipsVersion = 0;
  readonly #vips: WordTable;
  readonly #prefixes = new PrefixTable(vipValue.bytes);
  readonly #acl = new PrefixTable(aclValue.bytes);
  readonly #lists = new Int32Array(aclValue.bytes >> 2);
  readonly #state: PathState;
  readonly #others: readonly PathState[];
  readonly #reals: StructMemory[] = [];
  /** By VIP. */
  readonly #slots = new Map<number, Uint16Array>();
  readonly #nowMs: () => number;
  readonly #controlView: DataView;
  #answerWindow = -1;
  #answersUsed = 0;

  /** Over the same memory there may be another one, in another thread, whose part the path does not touch. */
  constructor(
    size: Dimensions,
    memory = PathState.allocate(size),
    { others = [], nowMs = monotonicMs }: MemoryTablesOptions = {},
  ) {
    this.#nowMs = nowMs;
    const layouts = mapLayouts(size);
    this.control = new Uint8Array(layouts.control.valueBytes);
    this.#controlView = new DataView(this.control.buffer);
    this.#vips = new WordTable(layouts.vips, false);
    this.#state = new PathState(size, memory);
    this.#others = others.map((other) => new PathState(size, other));
  }

  findVip(key: StructMemory, value: StructMemory): boolean {
    return this.#vips.find(key.words, value.words);
  }

  findPrefix(key: StructMemory, value: StructMemory): boolean {
    return this.#prefixes.find(key.words, value.words);
  }

  permittedBy(key: StructMemory): number {
    return this.#acl.find(key.words, this.#lists) ? this.#lists[0] : 0;
  }

  /** Else another thread's, which leaves it there: a copy would not be told when the flow moves. */
  findFlow(key: StructMemory, value: StructMemory): boolean {
    if (this.#state.flows.find(key.words, value.words)) return true;
    for (let i = 0; i < this.#others.length; i++) {
      if (this.#others[i].flows.peek(key.words, value.words)) return true;
    }
    return false;
  }

  putFlow(key: StructMemory, value: StructMemory): void {
    this.#state.flows.put(key.words, value.words);
  }

  findFragment(key: StructMemory, value: StructMemory): boolean {
    if (this.#state.fragments.find(key.words, value.words)) return true;
    for (let i = 0; i < this.#others.length; i++) {
      if (this.#others[i].fragments.peek(key.words, value.words)) return true;
    }
    return false;
  }

  putFragment(key: StructMemory, value: StructMemory): void {
    this.#state.fragments.put(key.words, value.words);
  }

  real(real: number): StructMemory {
    return this.#reals[real] ?? NOBODY;
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
    this.#state.count(outcome);
  }

  countVip(vip: number, bytes: number, flows: number): void {
    this.#state.countVip(vip, bytes, flows);
  }

  countReal(real: number, bytes: number, flows: number): void {
    this.#state.countReal(real, bytes, flows);
  }

  setControl(value: Uint8Array): void {
    this.control.set(value);
  }

  setVip(key: Uint8Array, value: Uint8Array): void {
    this.vipsVersion++;
    if (!this.#vips.put(StructMemory.of(key).words, StructMemory.of(value).words))
      throw new SystemError('update vips', ERRNO.E2BIG);
  }

  deleteVip(key: Uint8Array): void {
    this.vipsVersion++;
    this.#vips.delete(StructMemory.of(key).words);
  }

  setPrefix(key: Uint8Array, value: Uint8Array): void {
    this.vipsVersion++;
    this.#prefixes.set(key, value);
  }

  deletePrefix(key: Uint8Array): void {
    this.vipsVersion++;
    this.#prefixes.delete(key);
  }

  setAcl(key: Uint8Array, value: Uint8Array): void {
    this.#acl.set(key, value);
  }

  deleteAcl(key: Uint8Array): void {
    this.#acl.delete(key);
  }

  setReal(real: number, value: Uint8Array): void {
    // Without gaps, which V8 would look for.
    while (this.#reals.length <= real) this.#reals.push(NOBODY);
    if (this.#reals[real] === NOBODY) this.#reals[real] = StructMemory.of(value);
    else this.#reals[real].bytes.set(value);
  }

  setSlots(vip: number, reals: Uint16Array): void {
    this.#slots.set(vip, reals);
  }

  outcomes(): number[] {
    return this.#state.outcomes();
  }

  realTraffic(real: number): Traffic {
    return this.#state.realTraffic(real);
  }

  vipTraffic(vip: number): Traffic {
    return this.#state.vipTraffic(vip);
  }

  async countFlows(): Promise<number> {
    return this.#state.flows.size;
  }

  get aclSize(): number {
    return this.#acl.size;
  }
}
