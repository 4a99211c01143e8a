/**
 * The tables of a path in another thread, seen from the control plane's. What the controller writes goes to a copy here
 * and by message to the thread, which applies it between two frames, in the same order; so a frame meets no record half
 * written. What the path writes (flows, counters) is memory that both see. Read as PathTables they are looked at, never
 * changed.
 */
import type { Dimensions, Outcome } from '../layout.js';
import { MemoryTables, type PathMemory } from '../memory-tables.js';
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

export class RingTables implements ControlTables, PathTables {
  readonly memory: PathMemory;
  readonly #copy: MemoryTables;
  readonly #post: (writes: readonly Write[]) => void;
  #waiting: Write[] = [];

  /** `post` hands writes to the thread, at the end of the turn in which they were made; `random` gives 32 bits. */
  constructor(size: Dimensions, random: () => number, post: (writes: readonly Write[]) => void) {
    this.memory = MemoryTables.allocate(size, random);
    this.#copy = new MemoryTables(size, this.memory);
    this.#post = post;
  }

  get control(): Uint8Array {
    return this.#copy.control;
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
    return this.#copy.outcomes();
  }

  realTraffic(real: number): Traffic {
    return this.#copy.realTraffic(real);
  }

  vipTraffic(vip: number): Traffic {
    return this.#copy.vipTraffic(vip);
  }

  countFlows(): Promise<number> {
    return this.#copy.countFlows();
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
    return this.#copy.peekFlow(key, value);
  }

  findFragment(key: StructMemory, value: StructMemory): boolean {
    return this.#copy.peekFragment(key, value);
  }

  readReal(real: number, value: StructMemory): void {
    this.#copy.readReal(real, value);
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
