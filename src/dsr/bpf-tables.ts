/** The tables as BPF maps: the controller writes them, the program reads them, and `explain` looks into them. */
import { BpfMap, bytes } from '../bpf/index.js';
import { ERRNO, SystemError } from '../sys/errno.js';
import {
  aclValue,
  controlValue,
  type Dimensions,
  flowValue,
  fragmentValue,
  type MapLayout,
  type MapName,
  mapLayouts,
  NO_REAL,
  OUTCOMES,
  PAGE_BYTES,
  PAGE_SLOTS,
  realValue,
  trafficValue,
  vipValue,
} from './layout.js';
import { PageRanges } from './page-ranges.js';
import type { VipMaps } from './program/known-vips.js';
import { serviceValueOf } from './record.js';
import { StructMemory } from './struct-memory.js';
import type { BatchTables, PathTables, Traffic } from './tables.js';

type Bytes = Uint8Array;

const PER_CPU = ['outcomes', 'answers', 'realTraffic', 'vipTraffic'] as const;
type PerCpuName = (typeof PER_CPU)[number];

/** The maps by name, for the program. */
export type DsrMaps = Record<Exclude<MapName, PerCpuName>, BpfMap<Bytes, Bytes>> &
  Record<PerCpuName, BpfMap<Bytes, Bytes[]>>;

type AnyMap = BpfMap<Bytes, Bytes> | BpfMap<Bytes, Bytes[]>;

/** Those given and, for the others, new and empty maps. Throws a BpfError (EPERM, ENOMEM), leaving none open. */
export function createMaps(size: Dimensions, given: Partial<DsrMaps> = {}): DsrMaps {
  const made: Record<string, AnyMap> = {};
  try {
    for (const [name, layout] of Object.entries(mapLayouts(size))) {
      if (given[name as MapName]) continue;
      const spec = specOf(name, layout);
      made[name] = isPerCpu(layout) ? BpfMap.createPerCpu(spec) : BpfMap.create(spec);
    }
  } catch (error) {
    for (const map of Object.values({ ...given, ...made })) map.close();
    throw error;
  }
  return { ...made, ...given } as DsrMaps;
}

/** The map of that name that is pinned there. Throws a BpfError (ENOENT), or an IncompatibleError that says what it is. */
export function openMap<Name extends MapName>(name: Name, path: string, size: Dimensions): DsrMaps[Name] {
  const layout = mapLayouts(size)[name];
  const spec = specOf(name, layout);
  return (isPerCpu(layout) ? BpfMap.openPerCpu(path, spec) : BpfMap.open(path, spec)) as DsrMaps[Name];
}

function specOf(name: string, { type, keyBytes, valueBytes, maxEntries }: MapLayout) {
  return { name: `pen_${name}`, type, key: bytes(keyBytes), value: bytes(valueBytes), maxEntries };
}

function isPerCpu({ type }: MapLayout): boolean {
  return type === 'perCpuArray';
}

/** A Maglev table as it stands in `slots`. */
interface WrittenTable {
  readonly vip: number;
  readonly first: number;
  readonly pages: number;
  readonly reals: Uint16Array;
}

/** Read as PathTables they are looked at, never changed: what `explain` decides leaves no trace. */
export class BpfTables implements BatchTables, PathTables {
  readonly control = new Uint8Array(controlValue.bytes);
  vipsVersion = 0;
  readonly maps: DsrMaps;
  readonly #real = new StructMemory(realValue.bytes);
  /** The Maglev tables by VIP, as they were written last, and where they begin. */
  readonly #written = new Map<number, WrittenTable>();
  readonly #ranges: PageRanges;

  /** Owns the maps: `close` closes them. */
  constructor(maps: DsrMaps, size: Dimensions) {
    this.maps = maps;
    this.#ranges = new PageRanges(size.pages);
  }

  close(): void {
    for (const map of Object.values(this.maps)) map.close();
  }

  /** For a program that is to know them by heart. */
  everyVip(): VipMaps {
    return { vips: this.maps.vips.entries(), prefixes: this.maps.prefixes.entries() };
  }

  setControl(value: Bytes): void {
    this.control.set(value);
    this.maps.control.set(index(0), value);
  }

  setVip(key: Bytes, value: Bytes): void {
    this.vipsVersion++;
    this.maps.vips.set(key, value);
  }

  deleteVip(key: Bytes): void {
    this.vipsVersion++;
    this.maps.vips.delete(key);
  }

  setPrefix(key: Bytes, value: Bytes): void {
    this.vipsVersion++;
    this.maps.prefixes.set(key, value);
  }

  deletePrefix(key: Bytes): void {
    this.vipsVersion++;
    this.maps.prefixes.delete(key);
  }

  setAcl(key: Bytes, value: Bytes): void {
    this.maps.acl.set(key, value);
  }

  deleteAcl(key: Bytes): void {
    this.maps.acl.delete(key);
  }

  setReal(real: number, value: Bytes): void {
    this.maps.reals.set(index(real), value);
  }

  setReals(reals: readonly (readonly [real: number, value: Bytes])[]): void {
    this.maps.reals.setMany(reals.map(([real, value]) => [index(real), value] as const));
  }

  /** Only pages that differ are written. Throws a SystemError (ENOSPC) if there is no room for the table. */
  setSlots(vip: number, reals: Uint16Array): void {
    const pages = Math.ceil(reals.length / PAGE_SLOTS);
    const isSameSize = this.#written.get(vip)?.reals.length === reals.length;
    // First, as it may move what was written before.
    const room = isSameSize || pages === 0 ? 0 : (this.#ranges.take(pages) ?? this.#makeRoom(pages));
    if (room === undefined) throw new SystemError(`make room for ${reals.length} slots`, ERRNO.ENOSPC);
    const before = this.#written.get(vip);
    const page = before && isSameSize ? before.first : room;
    this.maps.slots.setMany(changedPages(page, reals, isSameSize ? before?.reals : undefined));
    this.#written.set(vip, { vip, first: page, pages, reals });
    if (isSameSize) return;
    this.maps.services.set(index(vip), serviceValueOf({ slots: reals.length, page }));
    // A packet that still reads there does so for a microsecond; to make the next table takes longer.
    if (before && before.pages > 0) this.#ranges.release(before.first, before.pages);
  }

  /** Services may have come and gone in such an order that what is free lies here and there: tables move then. */
  #makeRoom(pages: number): number | undefined {
    const tables = [...this.#written.values()].filter((table) => table.pages > 0);
    return this.#ranges.makeRoom(pages, tables, ({ vip, reals, ...table }, first) => {
      this.maps.slots.setMany(changedPages(first, reals, undefined));
      this.#written.set(vip, { ...table, vip, reals, first });
      this.maps.services.set(index(vip), serviceValueOf({ slots: reals.length, page: first }));
    });
  }

  outcomes(): number[] {
    return Array.from({ length: OUTCOMES }, (_, outcome) => sums(this.maps.outcomes.get(index(outcome)), 1)[0]);
  }

  realTraffic(real: number): Traffic {
    return trafficOf(this.maps.realTraffic.get(index(real)));
  }

  vipTraffic(vip: number): Traffic {
    return trafficOf(this.maps.vipTraffic.get(index(vip)));
  }

  async countFlows(): Promise<number> {
    return this.maps.flows.count();
  }

  findVip(key: StructMemory, value: StructMemory): boolean {
    return copied(this.maps.vips.get(key.bytes), value.bytes, vipValue.bytes);
  }

  findPrefix(key: StructMemory, value: StructMemory): boolean {
    return copied(this.maps.prefixes.get(key.bytes), value.bytes, vipValue.bytes);
  }

  permittedBy(key: StructMemory): number {
    const value = new Uint8Array(aclValue.bytes);
    return copied(this.maps.acl.get(key.bytes), value, aclValue.bytes)
      ? new DataView(value.buffer).getUint32(0, true)
      : 0;
  }

  findFlow(key: StructMemory, value: StructMemory): boolean {
    return copied(this.maps.flows.get(key.bytes), value.bytes, flowValue.bytes);
  }

  findFragment(key: StructMemory, value: StructMemory): boolean {
    return copied(this.maps.fragments.get(key.bytes), value.bytes, fragmentValue.bytes);
  }

  real(real: number): StructMemory {
    const { bytes } = this.#real;
    if (!copied(this.maps.reals.get(index(real)), bytes, realValue.bytes)) bytes.fill(0);
    return this.#real;
  }

  slotsOf(vip: number): number {
    return this.#written.get(vip)?.reals.length ?? 0;
  }

  slot(vip: number, slot: number): number {
    return this.#written.get(vip)?.reals[slot] ?? NO_REAL;
  }

  putFlow(): void {}

  putFragment(): void {}

  takeAnswer(): boolean {
    return true;
  }

  count(): void {}

  countVip(): void {}

  countReal(): void {}
}

/** Of a table that begins at `page`: those that are other ones than in the table `before`, of the same size. */
function* changedPages(page: number, reals: Uint16Array, before: Uint16Array | undefined): Generator<[Bytes, Bytes]> {
  for (let at = 0, number = page; at < reals.length; at += PAGE_SLOTS, number++) {
    const now = bytesOf(reals.subarray(at, at + PAGE_SLOTS));
    if (before && Buffer.compare(now, bytesOf(before.subarray(at, at + PAGE_SLOTS))) === 0) continue;
    const value = new Uint8Array(PAGE_BYTES);
    value.set(now);
    yield [index(number), value];
  }
}

function bytesOf(reals: Uint16Array): Bytes {
  return new Uint8Array(reals.buffer, reals.byteOffset, reals.byteLength);
}

function copied(found: Bytes | undefined, value: Bytes, length: number): boolean {
  if (found) value.set(found.subarray(0, length));
  return found !== undefined;
}

function index(number: number): Bytes {
  const key = new Uint8Array(4);
  new DataView(key.buffer).setUint32(0, number, true);
  return key;
}

/** The first 64-bit fields, each summed over all CPUs; exact up to 2^53. */
function sums(perCpu: readonly Bytes[] | undefined, fields: number): number[] {
  const total = new Array<number>(fields).fill(0);
  for (const value of perCpu ?? []) {
    const view = new DataView(value.buffer, value.byteOffset);
    for (let i = 0; i < fields; i++) total[i] += Number(view.getBigUint64(i * 8, true));
  }
  return total;
}

function trafficOf(perCpu: readonly Bytes[] | undefined): Traffic {
  const [packets, bytesSent, flows] = sums(perCpu, trafficValue.bytes / 8);
  return { packets, bytes: bytesSent, flows };
}
