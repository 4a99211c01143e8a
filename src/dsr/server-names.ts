/** What servers are called. A server of hundreds of services is formatted once, and its names are one string each. */
import { addressKey, formatIp, type IpWords } from '../core/address.js';
import { type Target, targetName } from './reach.js';

type Names = Map<number | string, string>;

export class ServerNames {
  readonly #titles: Names = new Map();
  readonly #names: Readonly<Record<Target['encap'], Names>> = { none: new Map(), ipip: new Map(), gue: new Map() };

  /** The address as text: what a server is called in Maglev tables. */
  title(address: IpWords): string {
    return kept(this.#titles, address, () => formatIp(address));
  }

  /** What it is known by to those who ask it, as `targetName` has it. */
  name(target: Target): string {
    return kept(this.#names[target.encap], target.address, () => targetName(target));
  }

  /** Gives the memory back. */
  clear(): void {
    for (const names of [this.#titles, ...Object.values(this.#names)]) names.clear();
  }
}

function kept(names: Names, address: IpWords, make: () => string): string {
  const key = addressKey(address);
  const found = names.get(key);
  if (found !== undefined) return found;
  const made = make();
  names.set(key, made);
  return made;
}
