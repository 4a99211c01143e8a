/**
 * Whose VIPs are whose, where nothing else says so. Of XDP programs an interface has one; packet sockets see every frame
 * each, so of two pens with one VIP both would send everything on. A VIP's address on an interface is a name that one
 * process of the network namespace has.
 */
import type { IpWords } from '../core/address.js';
import type { Configuration } from '../core/configuration.js';
import { formatVipAddress, type Vip } from '../core/vip.js';
import { takeAbstractName } from '../sys/abstract-name.js';
import { libc } from '../sys/libc.js';
import { interfaceIndex } from '../sys/network-interface.js';
import { DsrError } from './errors.js';

/** The part of a VIP that is claimed: pings and ARP of an address belong to no port. */
type Claimed = Pick<Vip, 'address' | 'bits'>;

export class VipClaims {
  readonly #interfaceName: string;
  readonly #index: number;
  /** Descriptors by address. */
  readonly #held = new Map<string, number>();

  /** Throws a SystemError (ENODEV). */
  constructor(interfaceName: string) {
    this.#interfaceName = interfaceName;
    this.#index = interfaceIndex(interfaceName);
  }

  /** Claims those that it has not yet. Throws a DsrError if another process has one, and then has no more than before. */
  take(vips: readonly Claimed[]): void {
    const taken: string[] = [];
    try {
      for (const vip of vips) {
        const text = textOf(vip);
        if (this.#held.has(text)) continue;
        this.#held.set(text, this.#claim(text));
        taken.push(text);
      }
    } catch (error) {
      for (const text of taken) this.#release(text);
      throw error;
    }
  }

  /** Lets go of all others. */
  keep(vips: readonly Claimed[]): void {
    const kept = new Set(vips.map(textOf));
    for (const text of [...this.#held.keys()]) if (!kept.has(text)) this.#release(text);
  }

  close(): void {
    this.keep([]);
  }

  #claim(text: string): number {
    const name = `pen-dsr/${this.#index}/${text}`;
    const fd = takeAbstractName(name);
    if (fd !== undefined) return fd;
    throw new DsrError(
      `cannot return directly for '${text}': another pen has it on '${this.#interfaceName}' in packet mode, and servers would get every packet twice (ss -xap | grep ${name} says which; one pen can have all VIPs: dsr_vip)`,
    );
  }

  #release(text: string): void {
    const fd = this.#held.get(text);
    this.#held.delete(text);
    if (fd !== undefined) libc().close(fd);
  }
}

/** LISTEN and those of `dsr_vip`. */
export function claimedBy({ vips }: Configuration, listen: Vip | undefined): readonly Vip[] {
  return listen ? [listen, ...vips] : vips;
}

/** `192.0.2.80`, `192.0.2.0/24`. */
function textOf({ address, bits }: { readonly address: IpWords; readonly bits: number }): string {
  return formatVipAddress({ address, bits, port: 0 });
}
