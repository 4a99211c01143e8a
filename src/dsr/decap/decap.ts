/** The decapsulating program on an interface, and the sets of addresses that it goes by. */
import { BpfError, BpfMap, bytes, Program, XdpLink, type XdpMode } from '../../bpf/index.js';
import { type IpWords, isV4 } from '../../core/address.js';
import { addressBytes } from '../record.js';
import { addressKey, DECAP_OUTCOME_NAMES, type DecapMapName, type DecapOutcome, decapMaps } from './layout.js';
import { decapProgram } from './program.js';

type Bytes = Uint8Array;

export interface DecapSets {
  /** Where tunnels may end. */
  readonly own: readonly IpWords[];
  /** Whom packets inside may be for. */
  readonly vips: readonly IpWords[];
  /** Where tunnels may begin; undefined: anywhere. */
  readonly sources: readonly IpWords[] | undefined;
}

/** Maps and program, not on any interface yet. */
export class Decap {
  readonly #maps: Record<Exclude<DecapMapName, 'counts'>, BpfMap<Bytes, Bytes>>;
  readonly #counts: BpfMap<Bytes, Bytes[]>;
  readonly #program: Program;
  /** What is in the sets, as text. */
  #written = { own: new Set<string>(), vips: new Set<string>(), sources: new Set<string>() };
  #link: XdpLink | undefined;

  /** Throws a BpfError (EPERM, a kernel without XDP), leaving nothing behind. */
  constructor(sets: DecapSets) {
    const made: (BpfMap<Bytes, Bytes> | BpfMap<Bytes, Bytes[]> | Program)[] = [];
    const keep = <T extends (typeof made)[number]>(one: T): T => {
      made.push(one);
      return one;
    };
    try {
      this.#maps = {
        own: keep(BpfMap.create(specOf('own'))),
        vips: keep(BpfMap.create(specOf('vips'))),
        sources: keep(BpfMap.create(specOf('sources'))),
      };
      this.#counts = keep(BpfMap.createPerCpu(specOf('counts')));
      const maps = { ...this.#maps, counts: this.#counts };
      this.#program = keep(Program.load(decapProgram({ checksSource: sets.sources !== undefined }), { maps }));
      this.update(sets);
    } catch (error) {
      for (const one of made) one.close();
      throw error;
    }
  }

  get program(): Program {
    return this.#program;
  }

  /** Whether it still is on the interface: that may have gone, or somebody may have taken it off. */
  get isAttached(): boolean {
    return this.#link !== undefined && this.#link.info.interfaceIndex !== 0;
  }

  /** In the driver if that can, unless a mode is asked for; gives the mode. Throws a BpfError or SystemError. */
  attach(interfaceName: string, mode?: XdpMode): XdpMode {
    if (mode === undefined) {
      try {
        this.#link = XdpLink.attach(this.#program, interfaceName, 'native');
        return 'native';
      } catch (error) {
        // Somebody else's program is there, or we may not: the other mode would not be allowed either.
        const isFinal = ['EBUSY', 'EEXIST', 'EPERM', 'EACCES', 'ENODEV'];
        if (!(error instanceof BpfError) || isFinal.includes(error.code)) throw error;
      }
    }
    this.#link = XdpLink.attach(this.#program, interfaceName, mode ?? 'generic');
    return mode ?? 'generic';
  }

  /** Writes what has changed. Whether sources are asked for is decided at the start. */
  update({ own, vips, sources = [] }: DecapSets): void {
    for (const [name, addresses] of Object.entries({ own, vips, sources }) as [keyof DecapSets, IpWords[]][]) {
      const wanted = new Set(addresses.map(textOf));
      const written = this.#written[name];
      for (const text of wanted) if (!written.has(text)) this.#maps[name].set(keyOf(text), new Uint8Array(4));
      for (const text of written) if (!wanted.has(text)) this.#maps[name].delete(keyOf(text));
      this.#written[name] = wanted;
    }
  }

  /** Packets so far. */
  counts(): Record<DecapOutcome, number> {
    const sum = (index: number) => {
      const key = new Uint8Array(4);
      new DataView(key.buffer).setUint32(0, index, true);
      const perCpu = this.#counts.get(key) ?? [];
      return perCpu.reduce(
        (all, one) => all + Number(new DataView(one.buffer, one.byteOffset).getBigUint64(0, true)),
        0,
      );
    };
    return Object.fromEntries(DECAP_OUTCOME_NAMES.map((name, index) => [name, sum(index)])) as Record<
      DecapOutcome,
      number
    >;
  }

  /** Takes the program off the interface. Idempotent. */
  close(): void {
    this.#link?.close();
    this.#program.close();
    this.#counts.close();
    for (const map of Object.values(this.#maps)) map.close();
  }
}

function specOf(name: DecapMapName) {
  const { type, keyBytes, valueBytes, maxEntries } = decapMaps[name];
  return { name: `decap_${name}`, type, key: bytes(keyBytes), value: bytes(valueBytes), maxEntries };
}

function keyOf(text: string): Bytes {
  const words = text.split(' ').map(Number) as unknown as IpWords;
  const key = new Uint8Array(addressKey.bytes);
  key.set(addressBytes(words), addressKey.at.address);
  new DataView(key.buffer).setUint32(addressKey.at.family, isV4(words) ? 4 : 6, true);
  return key;
}

function textOf(words: IpWords): string {
  return words.join(' ');
}
