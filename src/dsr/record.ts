/** Keys and values of the maps, from what people and the server table have. For the control plane: they allocate. */
import { get16 } from '../frame/byte-order.js';
import { aclKey, aclValue, controlValue, realValue, type Struct, vipKey, vipValue } from './layout.js';

/** Four 32-bit words, as `core/address.ts` has them. */
type Words = ArrayLike<number>;

const FAMILY_BITS = 32;

/** The 16 bytes of an address. */
export function addressBytes(words: Words): Uint8Array {
  const bytes = new Uint8Array(16);
  const view = new DataView(bytes.buffer);
  for (let i = 0; i < 4; i++) view.setInt32(i * 4, words[i]);
  return bytes;
}

/** The four words of 16 bytes. */
export function addressWords(bytes: Uint8Array, at = 0): [number, number, number, number] {
  const view = new DataView(bytes.buffer, bytes.byteOffset + at, 16);
  return [view.getInt32(0), view.getInt32(4), view.getInt32(8), view.getInt32(12)];
}

export function vipKeyOf(address: Words, family: 4 | 6, port: number, protocol: number): Uint8Array {
  const { bytes, view } = record(vipKey);
  bytes.set(addressBytes(address), vipKey.at.address);
  view.setUint16(vipKey.at.portBe, port);
  bytes[vipKey.at.protocol] = protocol;
  bytes[vipKey.at.family] = family;
  return bytes;
}

export function vipValueOf({ index, flags, acl }: { index: number; flags: number; acl: number }): Uint8Array {
  const { bytes, view } = record(vipValue);
  view.setUint32(vipValue.at.index, index, true);
  view.setUint32(vipValue.at.flags, flags, true);
  view.setUint32(vipValue.at.acl, acl, true);
  return bytes;
}

/** `prefix` of the address's own bits: 0 to 128, an IPv4 network's being 96 to 128. */
export function aclKeyOf(address: Words, family: 4 | 6, prefix: number): Uint8Array {
  const { bytes, view } = record(aclKey);
  view.setUint32(aclKey.at.prefixBits, FAMILY_BITS + prefix, true);
  view.setUint32(aclKey.at.family, family, true);
  bytes.set(addressBytes(address), aclKey.at.address);
  return bytes;
}

export function aclValueOf(permitted: number): Uint8Array {
  const { bytes, view } = record(aclValue);
  view.setUint32(aclValue.at.permitted, permitted, true);
  return bytes;
}

export interface Real {
  /** Six bytes. */
  readonly mac: Uint8Array;
  /** Bits of REAL_SERVES and REAL_TAKES_NEW. */
  readonly state: number;
  readonly generation: number;
  readonly address: Words;
}

export function realValueOf({ mac, state, generation, address }: Real): Uint8Array {
  const { bytes, view } = record(realValue);
  bytes.set(mac, realValue.at.mac);
  view.setUint16(realValue.at.state, state, true);
  view.setUint32(realValue.at.generation, generation, true);
  bytes.set(addressBytes(address), realValue.at.address);
  return bytes;
}

export function controlValueOf({ mac, seed, epoch }: { mac: Uint8Array; seed: number; epoch: number }): Uint8Array {
  const { bytes, view } = record(controlValue);
  bytes.set(mac, controlValue.at.mac);
  view.setUint32(controlValue.at.seed, seed, true);
  view.setUint32(controlValue.at.epoch, epoch, true);
  return bytes;
}

/** Of a key in `vips`. */
export function portOf(key: Uint8Array): number {
  return get16(key, vipKey.at.portBe);
}

function record(layout: Struct<string>): { bytes: Uint8Array; view: DataView } {
  const bytes = new Uint8Array(layout.bytes);
  return { bytes, view: new DataView(bytes.buffer) };
}
