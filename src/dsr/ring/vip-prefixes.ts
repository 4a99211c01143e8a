/** The addresses and prefixes that the path knows as VIPs, learnt from what the controller writes to its tables. */
import { FAMILY_BITS, prefixKey, VIP_PREFIX, VIP_SILENT, vipKey, vipValue, WHOLE_PREFIX } from '../layout.js';
import type { Write } from './ring-tables.js';

export interface VipPrefix {
  readonly family: 4 | 6;
  /** As it is written: at most 32 or 128. */
  readonly bits: number;
  /** 4 or 16 bytes, those beyond the prefix 0. */
  readonly address: Uint8Array;
}

/** Bits of an IPv4 address that are always the same. */
const MAPPED_BITS = 96;

export class VipPrefixes {
  /** By a name of each. */
  readonly all = new Map<string, VipPrefix>();
  /** Names of those whose MAC address others tell, or the host's kernel. */
  readonly #silent = new Set<string>();

  /** Whether any of them is. */
  get areSilent(): boolean {
    return this.#silent.size > 0;
  }

  /** False if these are about something else. */
  apply(writes: readonly Write[]): boolean {
    let isChanged = false;
    for (const write of writes) {
      const prefix = prefixIn(write);
      if (!prefix) continue;
      isChanged = true;
      const name = `${prefix.family}/${prefix.bits}/${Buffer.from(prefix.address).toString('hex')}`;
      const isThere = write[0] === 'setVip' || write[0] === 'setPrefix';
      if (isThere) this.all.set(name, prefix);
      else this.all.delete(name);
      if (isThere && (flagsOf(write[2]) & VIP_SILENT) !== 0) this.#silent.add(name);
      else this.#silent.delete(name);
    }
    return isChanged;
  }
}

/** What the path looks an address up by, `undefined` for all other writes. */
function prefixIn(write: Write): VipPrefix | undefined {
  switch (write[0]) {
    case 'setVip':
    case 'deleteVip': {
      const { address, portBe: port, protocol, family } = vipKey.decode(viewOf(write[1]), 0);
      if (port !== 0 || protocol !== 0 || (family & VIP_PREFIX) !== 0) return undefined;
      return prefixOf(family, WHOLE_PREFIX, address);
    }
    case 'setPrefix':
    case 'deletePrefix': {
      const { prefixBits, family, address } = prefixKey.decode(viewOf(write[1]), 0);
      return prefixOf(family, prefixBits, address);
    }
    default:
      return undefined;
  }
}

function prefixOf(family: number, prefixBits: number, address: Uint8Array): VipPrefix {
  const bits = prefixBits - FAMILY_BITS;
  if (family === 6) return { family, bits, address: address.slice() };
  return { family: 4, bits: bits - MAPPED_BITS, address: address.slice(12) };
}

function flagsOf(value: Uint8Array): number {
  return vipValue.decode(viewOf(value), 0).flags;
}

function viewOf({ buffer, byteOffset, byteLength }: Uint8Array): DataView {
  return new DataView(buffer, byteOffset, byteLength);
}
