/** Keys and values of the maps, from what people and the server table have. For the control plane: they allocate. */
import { encoded } from '../bpf/struct.js';
import type { IpWords } from '../core/address.js';
import { ENCAP, type Encap } from '../frame/tunnel.js';
import {
  aclKey,
  aclValue,
  controlValue,
  FAMILY_BITS,
  prefixKey,
  realValue,
  serviceValue,
  VIP_PREFIX,
  vipKey,
  vipValue,
} from './layout.js';

/** Four 32-bit words, as `core/address.ts` has them. */
type Words = ArrayLike<number>;

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
  return encoded(vipKey, { address: addressBytes(address), portBe: port, protocol, family });
}

/** Of a service of all addresses of a prefix, by the prefix's number. */
export function prefixVipKeyOf(prefix: number, family: 4 | 6, port: number, protocol: number): Uint8Array {
  const address = new Uint8Array(16);
  new DataView(address.buffer).setUint32(12, prefix, true);
  return encoded(vipKey, { address, portBe: port, protocol, family: family | VIP_PREFIX });
}

export function vipValueOf(value: { index: number; flags: number; acl: number }): Uint8Array {
  return encoded(vipValue, value);
}

/** `prefix` of the address's own bits: 0 to 128, an IPv4 network's being 96 to 128. */
export function aclKeyOf(address: Words, family: 4 | 6, prefix: number): Uint8Array {
  return encoded(aclKey, { prefixBits: FAMILY_BITS + prefix, family, address: addressBytes(address) });
}

/** The mask that leaves of so many bytes the first `bits` bits. */
export function maskBytes(bits: number, bytes: number): Uint8Array {
  return Uint8Array.from({ length: bytes }, (_, i) => 0xff00 >> Math.min(8, Math.max(0, bits - i * 8)));
}

export function aclValueOf(permitted: number): Uint8Array {
  return encoded(aclValue, { permitted });
}

/** Bits as of `aclKeyOf`. */
export function prefixKeyOf(address: Words, family: 4 | 6, bits: number): Uint8Array {
  return encoded(prefixKey, { prefixBits: FAMILY_BITS + bits, family, address: addressBytes(address) });
}

export function serviceValueOf(value: { slots: number; page: number }): Uint8Array {
  return encoded(serviceValue, value);
}

/** How a real is reached that is not on the link. */
export interface RealTunnel {
  readonly encap: Encap;
  /** Of the packets inside. */
  readonly innerMtu: number;
}

export interface Real {
  /** Six bytes. */
  readonly mac: Uint8Array;
  /** Bits of REAL_SERVES and REAL_TAKES_NEW. */
  readonly state: number;
  readonly generation: number;
  /** Number of the VIP whose server it is. */
  readonly vip: number;
  readonly address: IpWords;
  /** Its packets get there in a tunnel to `address`. */
  readonly tunnel?: RealTunnel | undefined;
}

export function realValueOf({ mac, state, generation, vip, address, tunnel }: Real): Uint8Array {
  const encap = ENCAP[tunnel?.encap ?? 'none'];
  const outer = tunnel === undefined ? 0 : isMapped(address) ? 4 : 6;
  const innerMtu = tunnel?.innerMtu ?? 0;
  return encoded(realValue, { mac, state, generation, innerMtu, encap, outer, address: addressBytes(address), vip });
}

/** The real of a value. */
export function realOf(value: Uint8Array): Real {
  const { address, encap, innerMtu, outer: _, ...rest } = realValue.decode(viewOf(value), 0);
  const method = (Object.keys(ENCAP) as Encap[]).find((name) => ENCAP[name] === encap);
  const tunnel = method === undefined || method === 'none' ? undefined : { encap: method, innerMtu };
  return { ...rest, address: addressWords(address), tunnel };
}

/** The epoch of a `control`. */
export function epochOf(control: Uint8Array): number {
  return controlValue.decode(viewOf(control), 0).epoch;
}

/** The latest generation of a `control`. */
export function generationOf(control: Uint8Array): number {
  return controlValue.decode(viewOf(control), 0).generation;
}

function viewOf({ buffer, byteOffset, byteLength }: Uint8Array): DataView {
  return new DataView(buffer, byteOffset, byteLength);
}

export interface Control {
  readonly mac: Uint8Array;
  readonly seed: number;
  readonly epoch: number;
  /** Where tunnels begin: 4 and 16 bytes. */
  readonly sourceV4?: Uint8Array | undefined;
  readonly sourceV6?: Uint8Array | undefined;
  /** The latest that a real has. */
  readonly generation?: number;
  /** "Too big" messages for each window and CPU. */
  readonly answers?: number;
  /** Of the tarpit, two 32-bit numbers; without it there is none. */
  readonly tarpitKey?: readonly [number, number] | undefined;
}

export function controlValueOf({
  sourceV4,
  sourceV6,
  answers = 0,
  generation = 0,
  tarpitKey,
  ...value
}: Control): Uint8Array {
  const sources = { sourceV4: sourceV4 ?? new Uint8Array(4), sourceV6: sourceV6 ?? new Uint8Array(16) };
  const [tarpitKey0, tarpitKey1] = tarpitKey ?? [0, 0];
  const tarpit = tarpitKey === undefined ? 0 : 1;
  return encoded(controlValue, { ...value, ...sources, answers, generation, tarpit, tarpitKey0, tarpitKey1 });
}

function isMapped(address: Words): boolean {
  return address[0] === 0 && address[1] === 0 && address[2] === 0xffff;
}
