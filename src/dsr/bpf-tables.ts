/** The tables as BPF maps: the controller writes them, the program reads them, and `explain` looks into them. */
import { BpfMap, bytes } from '../bpf/index.js';
import {
  aclValue,
  controlValue,
  type Dimensions,
  flowValue,
  fragmentValue,
  type MapName,
  mapLayouts,
  OUTCOMES,
  realValue,
  trafficValue,
  vipValue,
} from './layout.js';
import type { ControlTables, PathTables, Traffic } from './tables.js';

type Bytes = Uint8Array;

const PER_CPU = ['outcomes', 'realTraffic', 'vipTraffic'] as const;
type PerCpuName = (typeof PER_CPU)[number];

/** The maps by name, for the program. */
export type DsrMaps = Record<Exclude<MapName, PerCpuName>, BpfMap<Bytes, Bytes>> &
  Record<PerCpuName, BpfMap<Bytes, Bytes[]>>;

/** New, empty maps. Throws a BpfError (EPERM, ENOMEM), leaving none behind. */
export function createMaps(size: Dimensions): DsrMaps {
  const made: Record<string, BpfMap<Bytes, Bytes> | BpfMap<Bytes, Bytes[]>> = {};
  try {
    for (const [name, layout] of Object.entries(mapLayouts(size))) {
      const { type, keyBytes, valueBytes, maxEntries } = layout;
      const spec = { name: `pen_${name}`, type, key: bytes(keyBytes), value: bytes(valueBytes), maxEntries };
      made[name] = type === 'perCpuArray' ? BpfMap.createPerCpu(spec) : BpfMap.create(spec);
    }
  } catch (error) {
    for (const map of Object.values(made)) map.close();
    throw error;
  }
  return made as DsrMaps;
}

/** Read as PathTables they are looked at, never changed: what `explain` decides leaves no trace. */
export class BpfTables implements ControlTables, PathTables {
  readonly control = new Uint8Array(controlValue.bytes);
  readonly maps: DsrMaps;
  /** The Maglev tables as they were written last. */
  readonly #slots = new Map<number, Uint16Array>();
  readonly #slotBytes: number;

  /** Owns the maps: `close` closes them. */
  constructor(maps: DsrMaps, size: Dimensions) {
    this.maps = maps;
    this.#slotBytes = mapLayouts(size).slots.valueBytes;
  }

  close(): void {
    for (const map of Object.values(this.maps)) map.close();
  }

  setControl(value: Bytes): void {
    this.control.set(value);
    this.maps.control.set(index(0), value);
  }

  setVip(key: Bytes, value: Bytes): void {
    this.maps.vips.set(key, value);
  }

  deleteVip(key: Bytes): void {
    this.maps.vips.delete(key);
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

  setSlots(vip: number, reals: Uint16Array): void {
    const value = new Uint8Array(this.#slotBytes);
    value.set(new Uint8Array(reals.buffer, reals.byteOffset, reals.byteLength));
    this.maps.slots.set(index(vip), value);
    this.#slots.set(vip, reals);
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

  findVip(key: Bytes, value: Bytes): boolean {
    return copied(this.maps.vips.get(key), value, vipValue.bytes);
  }

  permittedBy(key: Bytes): number {
    const value = new Uint8Array(aclValue.bytes);
    return copied(this.maps.acl.get(key), value, aclValue.bytes) ? new DataView(value.buffer).getUint32(0, true) : 0;
  }

  findFlow(key: Bytes, value: Bytes): boolean {
    return copied(this.maps.flows.get(key), value, flowValue.bytes);
  }

  findFragment(key: Bytes, value: Bytes): boolean {
    return copied(this.maps.fragments.get(key), value, fragmentValue.bytes);
  }

  readReal(real: number, value: Bytes): void {
    if (!copied(this.maps.reals.get(index(real)), value, realValue.bytes)) value.fill(0);
  }

  slot(vip: number, slot: number): number {
    return this.#slots.get(vip)?.[slot] ?? 0;
  }

  putFlow(): void {}

  putFragment(): void {}

  count(): void {}

  countVip(): void {}

  countReal(): void {}
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
