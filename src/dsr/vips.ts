/** The services as entries of `vips` and `prefixes`, and the numbers that they have there. */
import type { IpWords } from '../core/address.js';
import { isV4 } from '../core/address.js';
import { ADDRESS_BITS, type Vip, vipName } from '../core/vip.js';
import { PROTOCOL } from '../frame/protocol.js';
import {
  FAMILY_BITS,
  prefixKey,
  VIP_ANY_PORT,
  VIP_HASH_PORTS,
  VIP_PREFIX,
  VIP_SILENT,
  vipKey,
  vipValue,
} from './layout.js';
import { addressWords, prefixKeyOf, prefixVipKeyOf, vipKeyOf, vipValueOf } from './record.js';
import type { ControlTables } from './tables.js';

/** A service as far as its entries tell of it. */
export interface Announced {
  readonly index: number;
  readonly vip: Vip;
  readonly hashesPorts: boolean;
}

/** The lowest numbers that nobody has; one that was known by another process keeps its own. */
export class Numbers {
  readonly #known: Map<string, number>;
  readonly #taken: Set<number>;
  readonly #end: number;
  #lowest: number;

  /** Counts from `first` to before `end`; `known`: numbers of names from before. */
  constructor(first: number, known: ReadonlyMap<string, number> = new Map(), end = Infinity) {
    this.#lowest = first;
    this.#end = end;
    this.#known = new Map(known);
    this.#taken = new Set(known.values());
  }

  take(name: string): number {
    const known = this.#known.get(name);
    if (known !== undefined) {
      this.#known.delete(name);
      return known;
    }
    while (this.#taken.has(this.#lowest)) this.#lowest++;
    if (this.#lowest >= this.#end) {
      // All were somebody's before, who has not been asked for so far.
      const [unclaimed] = this.#known;
      if (unclaimed === undefined) throw new RangeError(`no number for '${name}': all ${this.#end} are taken`);
      this.#known.delete(unclaimed[0]);
      return unclaimed[1];
    }
    this.#taken.add(this.#lowest);
    return this.#lowest;
  }

  release(number: number): void {
    this.#taken.delete(number);
    this.#lowest = Math.min(this.#lowest, number);
  }
}

type Entries = Map<string, string>;

export class VipEntries {
  readonly #tables: ControlTables;
  /** Numbers of prefixes, from 1 on. */
  readonly #numbers = new Numbers(1);
  readonly #prefixes = new Map<string, number>();
  /** Key and value, as text, of what is written. */
  #vips: Entries = new Map();
  #written: Entries = new Map();

  constructor(tables: ControlTables) {
    this.#tables = tables;
  }

  /**
   * Writes what has changed: new entries first, then those that are no more go. True if anything had. `acl` is the bit of
   * the list; `isSilent`: who asks for the VIPs' MAC address gets no answer from here.
   */
  apply(
    services: readonly Announced[],
    { acl, isSilent }: { readonly acl: number; readonly isSilent: boolean },
  ): boolean {
    const vips: Entries = new Map();
    const prefixes: Entries = new Map();
    const used = new Set<string>();
    for (const { index, vip, hashesPorts } of services) {
      const { address, bits, port } = vip;
      const family = isV4(address) ? 4 : 6;
      const protocol = protocolNumber(vip.protocol);
      const ofAddress = isSilent ? VIP_SILENT : 0;
      const flags = (port === 0 ? VIP_ANY_PORT : 0) | (hashesPorts ? VIP_HASH_PORTS : 0) | ofAddress;
      const value = text(vipValueOf({ index, flags, acl }));
      const keyOf = this.#keysOf(vip, family, used);
      vips.set(keyOf(port, protocol), value);
      // Of several services, the first has what has no port, unless one has every port.
      const portless = keyOf(0, protocol);
      if (port === 0 || !vips.has(portless)) vips.set(portless, value);
      if (bits === ADDRESS_BITS) vips.set(keyOf(0, 0), value);
      else {
        const number = this.#prefixes.get(prefixName(address, bits)) ?? 0;
        prefixes.set(
          text(prefixKeyOf(address, family, bits)),
          text(vipValueOf({ index: number, flags: ofAddress, acl })),
        );
      }
    }
    const { setVip, deleteVip, setPrefix, deletePrefix } = this.#writers();
    // A prefix is there after its services, and goes before them.
    const added = written(vips, this.#vips, setVip) + written(prefixes, this.#written, setPrefix);
    const gone = removed(prefixes, this.#written, deletePrefix) + removed(vips, this.#vips, deleteVip);
    this.#vips = vips;
    this.#written = prefixes;
    for (const [name, number] of this.#prefixes) {
      if (used.has(name)) continue;
      this.#numbers.release(number);
      this.#prefixes.delete(name);
    }
    return added + gone > 0;
  }

  /** Keys of an address's services, or of a prefix's, which is given a number. */
  #keysOf({ address, bits }: Vip, family: 4 | 6, used: Set<string>): (port: number, protocol: number) => string {
    if (bits === ADDRESS_BITS) return (port, protocol) => text(vipKeyOf(address, family, port, protocol));
    const name = prefixName(address, bits);
    const number = this.#prefixes.get(name) ?? this.#numbers.take(name);
    this.#prefixes.set(name, number);
    used.add(name);
    return (port, protocol) => text(prefixVipKeyOf(number, family, port, protocol));
  }

  #writers() {
    const tables = this.#tables;
    return {
      setVip: (key: Uint8Array, value: Uint8Array) => tables.setVip(key, value),
      deleteVip: (key: Uint8Array) => tables.deleteVip(key),
      setPrefix: (key: Uint8Array, value: Uint8Array) => tables.setPrefix(key, value),
      deletePrefix: (key: Uint8Array) => tables.deletePrefix(key),
    };
  }
}

/** The services that entries tell of, by name, with their numbers. */
export function numbersIn(
  vips: Iterable<readonly [key: Uint8Array, value: Uint8Array]>,
  prefixes: Iterable<readonly [key: Uint8Array, value: Uint8Array]>,
): Map<string, number> {
  const byNumber = new Map<number, Pick<Vip, 'address' | 'bits'>>();
  for (const [key, value] of prefixes) {
    const { prefixBits, address } = prefixKey.decode(viewOf(key), 0);
    const { index } = vipValue.decode(viewOf(value), 0);
    byNumber.set(index, { address: addressWords(address), bits: prefixBits - FAMILY_BITS });
  }
  const numbers = new Map<string, number>();
  for (const [key, value] of vips) {
    const { address, portBe: port, protocol, family } = vipKey.decode(viewOf(key), 0);
    const { index, flags } = vipValue.decode(viewOf(value), 0);
    if (protocol === 0 || (port === 0 && (flags & VIP_ANY_PORT) === 0)) continue;
    const whole = { address: addressWords(address), bits: ADDRESS_BITS };
    const place = (family & VIP_PREFIX) === 0 ? whole : byNumber.get(viewOf(address).getUint32(12, true));
    if (place) numbers.set(vipName({ ...place, port, protocol: protocol === PROTOCOL.udp ? 'udp' : 'tcp' }), index);
  }
  return numbers;
}

function viewOf({ buffer, byteOffset, byteLength }: Uint8Array): DataView {
  return new DataView(buffer, byteOffset, byteLength);
}

/** The number of a protocol. */
export function protocolNumber(protocol: Vip['protocol']): number {
  return protocol === 'tcp' ? PROTOCOL.tcp : PROTOCOL.udp;
}

function written(wanted: Entries, before: Entries, set: (key: Uint8Array, value: Uint8Array) => void): number {
  const changed = [...wanted].filter(([key, value]) => before.get(key) !== value);
  for (const [key, value] of changed) set(bytes(key), bytes(value));
  return changed.length;
}

function removed(wanted: Entries, before: Entries, remove: (key: Uint8Array) => void): number {
  const gone = [...before.keys()].filter((key) => !wanted.has(key));
  for (const key of gone) remove(bytes(key));
  return gone.length;
}

function prefixName(address: IpWords, bits: number): string {
  return vipName({ address, bits, port: 0, protocol: 'tcp' });
}

function text(record: Uint8Array): string {
  return Buffer.from(record).toString('latin1');
}

function bytes(record: string): Uint8Array {
  return Uint8Array.from(Buffer.from(record, 'latin1'));
}
