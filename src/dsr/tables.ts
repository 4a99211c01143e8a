/**
 * The tables between controller and packet path, seen from both. In the kernel they are BPF maps, in this process
 * typed arrays; keys and values are the bytes that `layout.ts` describes.
 */
import type { Outcome } from './layout.js';
import type { StructMemory } from './struct-memory.js';

/** What the decision asks and writes, frame by frame. Nothing here allocates or throws. */
export interface PathTables {
  /** The only entry of `control`, live. */
  readonly control: Uint8Array;
  /** Another number after each write of a VIP or prefix: what was found before may not be what is there now. */
  readonly vipsVersion: number;
  /** Copies the value; false if there is no entry. */
  findVip(key: StructMemory, value: StructMemory): boolean;
  /** Copies the value of the longest prefix that has the address (`prefixKey` with all its bits); false if none has. */
  findPrefix(key: StructMemory, value: StructMemory): boolean;
  /** Bit n: list n permits that address (`aclKey` with all bits of the prefix); 0 if no entry matches. */
  permittedBy(key: StructMemory): number;
  findFlow(key: StructMemory, value: StructMemory): boolean;
  /** When there is no room, one goes that was not used lately. */
  putFlow(key: StructMemory, value: StructMemory): void;
  findFragment(key: StructMemory, value: StructMemory): boolean;
  putFragment(key: StructMemory, value: StructMemory): void;
  /** To be read until the next call, live or not; all zero for a real that there is not. */
  real(real: number): StructMemory;
  /** Slots of a VIP's Maglev table, 0 if it has none. */
  slotsOf(vip: number): number;
  slot(vip: number, slot: number): number;
  /** Whether one more "too big" may be sent in this window of time; it counts as sent then. */
  takeAnswer(): boolean;
  count(outcome: Outcome): void;
  countVip(vip: number, bytes: number, flows: number): void;
  countReal(real: number, bytes: number, flows: number): void;
}

export interface Traffic {
  readonly packets: number;
  readonly bytes: number;
  readonly flows: number;
}

/** What the controller writes and reads. A write that fails throws a SystemError. */
export interface ControlTables {
  setControl(value: Uint8Array): void;
  setVip(key: Uint8Array, value: Uint8Array): void;
  deleteVip(key: Uint8Array): void;
  setPrefix(key: Uint8Array, value: Uint8Array): void;
  deletePrefix(key: Uint8Array): void;
  setAcl(key: Uint8Array, value: Uint8Array): void;
  deleteAcl(key: Uint8Array): void;
  setReal(real: number, value: Uint8Array): void;
  /** The whole Maglev table of a VIP: slot -> real; of another size than before it takes the old one's place at once. */
  setSlots(vip: number, reals: Uint16Array): void;
  /** Frames by outcome. */
  outcomes(): number[];
  realTraffic(real: number): Traffic;
  vipTraffic(vip: number): Traffic;
  /** Flows remembered, which takes a walk over all of them. */
  countFlows(): Promise<number>;
}

/** Tables that may have a way to write many records in one go, which then costs less than one after the other. */
export interface BatchTables extends ControlTables {
  setReals?(reals: readonly (readonly [real: number, value: Uint8Array])[]): void;
}
