/**
 * A few VIPs that the program knows by heart, where a look-up in `vips` takes 40 ns: constants to compare with. A frame
 * for none of their addresses passes after a comparison or two. The map stays what it was for everything but whole
 * TCP and UDP packets, and for a program that knows none by heart.
 */
import * as asm from '../../bpf/asm/index.js';
import { type Cursor, equal, equal32, unequal32 } from '../../bpf/builder/index.js';
import { FAMILY_BITS, prefixKey, VIP_ANY_PORT, VIP_PREFIX, vipKey, vipValue } from '../layout.js';
import { maskBytes, prefixVipKeyOf } from '../record.js';
import { span, type Workspace } from './workspace.js';

const { r1, r2, r3 } = asm;

/** An entry of `vips` or `prefixes`: the bytes of key and value. */
export type VipEntry = readonly [key: Uint8Array, value: Uint8Array];

/** Everything that is a VIP. */
export interface VipMaps {
  readonly vips: readonly VipEntry[];
  readonly prefixes: readonly VipEntry[];
}

interface KnownService {
  /** Port, protocol and family as the key has them, in one word; of a service of every port the port is zero. */
  readonly word: number;
  readonly isEveryPort: boolean;
  readonly index: number;
  readonly flags: number;
  readonly acl: number;
}

export interface KnownAddress {
  readonly family: 4 | 6;
  readonly bytes: DataView;
  /** So many of the 128 count. */
  readonly bits: number;
  /** Those of one port first, as they go before those of every port. */
  readonly services: readonly KnownService[];
}

const ADDRESS_BYTES = vipKey.field.address.bytes;
const ADDRESS_BITS = ADDRESS_BYTES * 8;

/** Beyond so many services comparing takes longer than looking up. */
const MAX_KNOWN_SERVICES = 16;

/** The addresses and prefixes with their services, the longest first; undefined if they are not given or too many. */
export function knownAddresses(maps: VipMaps | undefined): KnownAddress[] | undefined {
  if (maps === undefined) return undefined;
  const found = new Map<string, KnownAddress & { services: KnownService[] }>();
  const nameOf = (family: number, address: Uint8Array) => `${family} ${address}`;
  for (const [key, value] of maps.prefixes) {
    const view = new DataView(key.buffer, key.byteOffset, key.byteLength);
    const number = new DataView(value.buffer, value.byteOffset).getUint32(vipValue.at.index, true);
    const family = view.getUint32(prefixKey.at.family, true) === 4 ? 4 : 6;
    const bits = view.getUint32(prefixKey.at.prefixBits, true) - FAMILY_BITS;
    const bytes = new DataView(key.slice(prefixKey.at.address).buffer);
    const entryKey = prefixVipKeyOf(number, family, 0, 0);
    found.set(nameOf(family | VIP_PREFIX, entryKey.subarray(0, ADDRESS_BYTES)), { family, bytes, bits, services: [] });
  }
  for (const [key, value] of maps.vips) {
    const view = new DataView(key.buffer, key.byteOffset, key.byteLength);
    const address = key.subarray(vipKey.at.address, vipKey.at.address + ADDRESS_BYTES);
    const family = key[vipKey.at.family];
    const name = nameOf(family, address);
    const bytes = new DataView(address.slice().buffer);
    const known = found.get(name) ?? { family: family === 4 ? 4 : 6, bytes, bits: ADDRESS_BITS, services: [] };
    found.set(name, known);
    const service = serviceOf(view, value);
    if (service !== undefined) known.services.push(service);
  }
  const addresses = [...found.values()].sort((a, b) => b.bits - a.bits);
  for (const { services } of addresses) services.sort((a, b) => Number(a.isEveryPort) - Number(b.isEveryPort));
  const services = addresses.reduce((sum, address) => sum + address.services.length, 0);
  return services > MAX_KNOWN_SERVICES ? undefined : addresses;
}

/** undefined for an entry that only says where packets without a port go, or that the address is a VIP's. */
function serviceOf(key: DataView, value: Uint8Array): KnownService | undefined {
  const fields = new DataView(value.buffer, value.byteOffset, value.byteLength);
  const flags = fields.getUint32(vipValue.at.flags, true);
  const isPortless = key.getUint16(vipKey.at.portBe) === 0;
  if (isPortless && (key.getUint8(vipKey.at.protocol) === 0 || (flags & VIP_ANY_PORT) === 0)) return undefined;
  return {
    word: key.getUint32(vipKey.at.portBe, true) & ~(VIP_PREFIX << 24),
    isEveryPort: isPortless,
    index: fields.getUint32(vipValue.at.index, true),
    flags,
    acl: fields.getUint32(vipValue.at.acl, true),
  };
}

/** Goes to `otherwise` unless the packet is for a known address, whose number is kept if there are several. Uses r2, r3. */
export function demandKnownAddress(
  w: Workspace,
  known: readonly KnownAddress[],
  { header, at, otherwise }: { readonly header: Cursor; readonly at: number; readonly otherwise: string },
): void {
  const { b } = w;
  const done = b.newLabel('known');
  for (const [number, address] of known.entries()) {
    const next = number === known.length - 1 ? otherwise : b.newLabel('next');
    if (address.family === 4) {
      header.load(r2, span(at, 4));
      if (address.bits < ADDRESS_BITS) b.emit(asm.and32.imm(r2, maskOf(address, 12).getInt32(0, true)));
      b.jumpIf(unequal32(r2, address.bytes.getInt32(12, true)), next);
    } else {
      for (const half of [0, 8]) {
        const mask = maskOf(address, half).getBigUint64(0, true);
        if (mask === 0n) continue;
        header.load(r2, span(at + half, 8));
        if (address.bits < half * 8 + 64) b.emit(asm.loadImm64(r3, mask), asm.and.reg(r2, r3));
        b.emit(asm.loadImm64(r3, address.bytes.getBigUint64(half, true)), asm.jne.reg(r2, r3, next));
      }
    }
    if (known.length > 1) w.addressNumber.store(span(0, 4), number);
    if (next === otherwise) break;
    b.goto(done);
    b.emit(asm.label(next));
  }
  if (known.length === 0) b.goto(otherwise);
  b.emit(asm.label(done));
}

/** From `offset` on the mask that leaves an address its prefix. */
function maskOf({ bits }: KnownAddress, offset: number): DataView {
  return new DataView(maskBytes(bits, ADDRESS_BYTES).buffer, offset);
}

/** From r1 = port, protocol and family: puts what is known of the service on the stack, or ends with dropNoService. */
export function knownServiceStage(w: Workspace, family: 4 | 6, known: readonly KnownAddress[]): void {
  const { b } = w;
  b.stage(`service${family}`, () => {
    for (const [number, { services }] of known.entries()) {
      const next = b.newLabel('address');
      if (known.length > 1) {
        w.addressNumber.load(r2, span(0, 4));
        b.jumpIf(unequal32(r2, number), next);
      }
      for (const service of services) {
        const matches = () => knownService(service);
        if (!service.isEveryPort) b.if(equal32(r1, service.word), matches);
        else {
          // Without the port, which is the lower half.
          b.emit(asm.mov32.reg(r3, r1), asm.rsh32.imm(r3, 16));
          b.if(equal(r3, service.word >>> 16), matches);
        }
      }
      b.goto('dropNoService');
      if (known.length > 1) b.emit(asm.label(next));
    }
    if (known.length > 1) b.goto('dropNoService');
  });

  function knownService({ index, flags, acl }: KnownService): void {
    w.vip.store(span(0, 4), index);
    w.flags.store(span(0, 4), flags);
    if (w.options.acl) w.aclBit.store(span(0, 4), acl);
    b.goto('permission');
  }
}
