/**
 * The tables of a path in other threads, seen from the control plane's. What the controller writes goes to a copy here
 * and by message to each thread, which applies it between two frames, in the same order; so a frame meets no record half
 * written. What the path writes (flows, counters) is memory of each thread that all see, and is added up here. Read as
 * PathTables they are looked at, never changed.
 */
import type { Dimensions, Outcome } from '../layout.js';
import { MemoryTables } from '../memory-tables.js';
import { type PathMemory, PathState } from '../path-state.js';
import type { StructMemory } from '../struct-memory.js';
import type { ControlTables, PathTables, Traffic } from '../tables.js';

/** The methods of ControlTables that write. */
type WriteName = {
  [K in keyof ControlTables]: ReturnType<ControlTables[K]> extends void ? K : never;
}[keyof ControlTables];
/** A call of one of them. */
export type Write = { [K in WriteName]: readonly [K, ...Parameters<ControlTables[K]>] }[WriteName];

/** Does to the tables what was done to the controller's. */
export function applyWrites(tables: ControlTables, writes: readonly Write[]): void {
  for (const [name, ...args] of writes) (tables[name] as (...args: unknown[]) => void).apply(tables, args);
}

export interface RingTablesOptions {
  readonly size: Dimensions;
  readonly threads: number;
  /** 32 bits that nobody can guess. */
  random(): number;
}

export class RingTables implements ControlTables, PathTables {
  /** What each thread has of it: all that the controller writes, its share of the flows and fragments. */
  readonly size: Dimensions;
  /** Of each thread. */
  readonly memories: readonly PathMemory[];
  readonly #states: readonly PathState[];
  readonly #copy: MemoryTables;
  readonly #post: (writes: readonly Write[]) => void;
  #waiting: Write[] = [];

  /** `post` hands writes to all threads, at the end of the turn in which they were made. */
  constructor({ size, threads, random }: RingTablesOptions, post: (writes: readonly Write[]) => void) {
    const share = (whole: number) => Math.ceil(whole / threads);
    this.size = { ...size, flows: share(size.flows), fragments: share(size.fragments) };
    this.memories = Array.from({ length: threads }, () => PathState.allocate(this.size, random));
    this.#states = this.memories.map((memory) => new PathState(this.size, memory));
    this.#copy = new MemoryTables(this.size, this.memories[0]);
    this.#post = post;
  }

  get control(): Uint8Array {
    return this.#copy.control;
  }

  get vipsVersion(): number {
    return this.#copy.vipsVersion;
  }

  setControl(value: Uint8Array): void {
    this.#write('setControl', value.slice());
  }

  setVip(key: Uint8Array, value: Uint8Array): void {
    this.#write('setVip', key.slice(), value.slice());
  }

  deleteVip(key: Uint8Array): void {
    this.#write('deleteVip', key.slice());
  }

  setPrefix(key: Uint8Array, value: Uint8Array): void {
    this.#write('setPrefix', key.slice(), value.slice());
  }

  deletePrefix(key: Uint8Array): void {
    this.#write('deletePrefix', key.slice());
  }

  setAcl(key: Uint8Array, value: Uint8Array): void {
    this.#write('setAcl', key.slice(), value.slice());
  }

  deleteAcl(key: Uint8Array): void {
    this.#write('deleteAcl', key.slice());
  }

  setReal(real: number, value: Uint8Array): void {
    this.#write('setReal', real, value.slice());
  }

  setSlots(vip: number, reals: Uint16Array): void {
    this.#write('setSlots', vip, reals.slice());
  }

  outcomes(): number[] {
    const [first, ...others] = this.#states.map((state) => state.outcomes());
    return first.map((count, outcome) => others.reduce((sum, counts) => sum + counts[outcome], count));
  }

  realTraffic(real: number): Traffic {
    return sumOf(this.#states.map((state) => state.realTraffic(real)));
  }

  vipTraffic(vip: number): Traffic {
    return sumOf(this.#states.map((state) => state.vipTraffic(vip)));
  }

  async countFlows(): Promise<number> {
    return this.#states.reduce((sum, { flows }) => sum + flows.size, 0);
  }

  /** Frames decided on and flows remembered by each thread. */
  shares(): { readonly frames: number; readonly flows: number }[] {
    return this.#states.map((state) => ({
      frames: state.outcomes().reduce((sum, count) => sum + count, 0),
      flows: state.flows.size,
    }));
  }

  findVip(key: StructMemory, value: StructMemory): boolean {
    return this.#copy.findVip(key, value);
  }

  findPrefix(key: StructMemory, value: StructMemory): boolean {
    return this.#copy.findPrefix(key, value);
  }

  permittedBy(key: StructMemory): number {
    return this.#copy.permittedBy(key);
  }

  findFlow(key: StructMemory, value: StructMemory): boolean {
    return this.#states.some(({ flows }) => flows.peek(key.words, value.words));
  }

  findFragment(key: StructMemory, value: StructMemory): boolean {
    return this.#states.some(({ fragments }) => fragments.peek(key.words, value.words));
  }

  real(real: number): StructMemory {
    return this.#copy.real(real);
  }

  slotsOf(vip: number): number {
    return this.#copy.slotsOf(vip);
  }

  slot(vip: number, slot: number): number {
    return this.#copy.slot(vip, slot);
  }

  putFlow(): void {}
  putFragment(): void {}
  takeAnswer(): boolean {
    return true;
  }
  count(_: Outcome): void {}
  countVip(): void {}
  countReal(): void {}

  #write<K extends WriteName>(name: K, ...args: Parameters<ControlTables[K]>): void {
    const write = [name, ...args] as unknown as Write;
    // First here: what is refused is not posted.
    applyWrites(this.#copy, [write]);
    if (this.#waiting.length === 0) queueMicrotask(() => this.#flush());
    this.#waiting.push(write);
  }

  #flush(): void {
    const writes = this.#waiting;
    this.#waiting = [];
    this.#post(writes);
  }
}

function sumOf(parts: readonly Traffic[]): Traffic {
  const sum = { packets: 0, bytes: 0, flows: 0 };
  for (const { packets, bytes, flows } of parts) {
    sum.packets += packets;
    sum.bytes += bytes;
    sum.flows += flows;
  }
  return sum;
}
