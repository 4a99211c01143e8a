/** Maps: what programs and we both read and write. Values cross as bytes; the codecs of the spec make them values. */
import { bpfAttributes } from '../sys/bpf.js';
import { ERRNO } from '../sys/errno.js';
import { libc } from '../sys/libc.js';
import { type Mapping, mapAnonymous, unmap } from '../sys/memory.js';
import * as uapi from '../sys/uapi/bpf.js';
import { checkBpf, IncompatibleError } from './errors.js';
import { Handle, nameIn, objectInfo, openPinned } from './handle.js';
import { type BatchMap, readInBatches, writeInBatches } from './map-batch.js';
import { isPerCpu, kernelMapFlags, kernelMapType, type MapSpec, mapTypeOf, perCpu } from './map-spec.js';
import type { Codec } from './struct.js';

/** Whether an entry may or must be there when it is written. */
export type UpdateMode = 'any' | 'new' | 'existing';

const UPDATE_FLAGS = { any: uapi.BPF_ANY, new: uapi.BPF_NOEXIST, existing: uapi.BPF_EXIST } as const;

const CAPABILITIES = [uapi.CAP_BPF];

export interface MapInfo {
  readonly id: number;
  readonly name: string;
  readonly kernelType: number;
  readonly keyBytes: number;
  readonly valueBytes: number;
  readonly maxEntries: number;
  readonly flags: number;
}

/**
 * A map in the kernel. Methods throw a BpfError for what is not an answer: EPERM, ENOMEM, E2BIG (full). Of a map per
 * CPU, `V` is the array of all CPUs' values: create it with `createPerCpu`.
 */
export class BpfMap<K, V> extends Handle {
  readonly spec: MapSpec;
  readonly #key: Codec<K>;
  readonly #value: Codec<V>;
  /** A key, a value, and a second key, each at a multiple of eight bytes. */
  readonly #memory: Mapping;
  readonly #view: DataView;
  readonly #valueAt: number;
  readonly #nextAt: number;

  private constructor(fd: number, spec: MapSpec, key: Codec<K>, value: Codec<V>) {
    super(spec.name, fd);
    this.spec = spec;
    this.#key = key;
    this.#value = value;
    this.#valueAt = roundUp(key.bytes);
    this.#nextAt = this.#valueAt + roundUp(value.bytes);
    this.#memory = mapAnonymous(this.#nextAt + roundUp(key.bytes) + 8);
    this.#view = new DataView(this.#memory.buffer);
  }

  /** A new, empty map; `deviceIndex` puts it into a network card that runs programs itself. The caller closes it. */
  static create<K, V>(spec: MapSpec<K, V>, options: { readonly deviceIndex?: number } = {}): BpfMap<K, V> {
    if (isPerCpu(spec.type)) throw new TypeError(`'${spec.name}' has a value per CPU (createPerCpu)`);
    return new BpfMap(createMap(spec, options.deviceIndex), spec as MapSpec, spec.key, spec.value);
  }

  static createPerCpu<K, V>(spec: MapSpec<K, V>): BpfMap<K, V[]> {
    if (!isPerCpu(spec.type)) throw new TypeError(`'${spec.name}' has one value for all CPUs (create)`);
    return new BpfMap(createMap(spec, undefined), spec as MapSpec, spec.key, perCpu(spec.value));
  }

  /** The map pinned at `path`; throws an IncompatibleError that says how it differs from the spec. */
  static open<K, V>(path: string, spec: MapSpec<K, V>): BpfMap<K, V> {
    if (isPerCpu(spec.type)) throw new TypeError(`'${spec.name}' has a value per CPU (openPerCpu)`);
    return new BpfMap(openMap(path, spec), spec as MapSpec, spec.key, spec.value);
  }

  static openPerCpu<K, V>(path: string, spec: MapSpec<K, V>): BpfMap<K, V[]> {
    if (!isPerCpu(spec.type)) throw new TypeError(`'${spec.name}' has one value for all CPUs (open)`);
    return new BpfMap(openMap(path, spec), spec as MapSpec, spec.key, perCpu(spec.value));
  }

  override close(): void {
    if (!this.isClosed) unmap(this.#memory);
    super.close();
  }

  get info(): MapInfo {
    return mapInfo(this.fd);
  }

  /** The value, or undefined if there is none. */
  get(key: K): V | undefined {
    const attr = this.#element(key).u64(uapi.BPF_ATTR.element.value, this.#memory.address + this.#valueAt);
    const result = attr.call(uapi.BPF_MAP_LOOKUP_ELEM);
    if (result === -ERRNO.ENOENT) return undefined;
    checkBpf(result, `look up in map '${this.name}'`, CAPABILITIES);
    return this.#value.decode(this.#view, this.#valueAt);
  }

  /** Writes the entry; false if the mode forbade it. */
  set(key: K, value: V, mode: UpdateMode = 'any'): boolean {
    const attr = this.#element(key);
    this.#value.encode(this.#view, this.#valueAt, value);
    const { value: valueField, flags } = uapi.BPF_ATTR.element;
    attr.u64(valueField, this.#memory.address + this.#valueAt).u64(flags, UPDATE_FLAGS[mode]);
    const result = attr.call(uapi.BPF_MAP_UPDATE_ELEM);
    if (mode === 'new' && result === -ERRNO.EEXIST) return false;
    if (mode === 'existing' && result === -ERRNO.ENOENT) return false;
    this.#checkWrite(result);
    return true;
  }

  /** Takes the entry away; false if there was none. */
  delete(key: K): boolean {
    const result = this.#element(key).call(uapi.BPF_MAP_DELETE_ELEM);
    if (result === -ERRNO.ENOENT) return false;
    checkBpf(result, `delete from map '${this.name}'`, CAPABILITIES, { EINVAL: 'an array keeps its entries' });
    return true;
  }

  /** All entries. Those that come or go meanwhile may be missed or met twice, as the kernel walks a live table. */
  entries(): Array<[K, V]> {
    const found = readInBatches(this.#batch);
    if (typeof found === 'number') checkBpf(found, `read map '${this.name}'`, CAPABILITIES);
    if (typeof found === 'object') return found;
    return this.keys().flatMap((key) => {
      const value = this.get(key);
      return value === undefined ? [] : [[key, value] as [K, V]];
    });
  }

  /** How many entries there are; the same holds as for `entries`. */
  count(): number {
    const nothing = (codec: Codec<unknown>) => ({ ...codec, decode: () => undefined });
    const found = readInBatches({ ...this.#batch, key: nothing(this.#key), value: nothing(this.#value) });
    return typeof found === 'object' ? found.length : this.keys().length;
  }

  /** All keys; the same holds as for `entries`. At most `maxEntries`, so that a busy table cannot keep us for ever. */
  keys(): K[] {
    const found: K[] = [];
    const { mapFd, key: keyField, nextKey } = uapi.BPF_ATTR.element;
    while (found.length < this.spec.maxEntries) {
      const attr = bpfAttributes().u32(mapFd, this.fd);
      if (found.length > 0) attr.u64(keyField, this.#memory.address);
      attr.u64(nextKey, this.#memory.address + this.#nextAt);
      const result = attr.call(uapi.BPF_MAP_GET_NEXT_KEY);
      if (result === -ERRNO.ENOENT) break;
      checkBpf(result, `walk map '${this.name}'`, CAPABILITIES);
      const bytes = new Uint8Array(this.#memory.buffer);
      bytes.copyWithin(0, this.#nextAt, this.#nextAt + this.#key.bytes);
      found.push(this.#key.decode(this.#view, 0));
    }
    return found;
  }

  /** Writes many entries in few calls. What was written before an error stays. */
  setMany(entries: Iterable<readonly [K, V]>): void {
    writeInBatches(this.#batch, uapi.BPF_MAP_UPDATE_BATCH, entries, ([key, value]) => this.set(key, value));
  }

  /** Takes many entries away in few calls; those that are not there are no error. */
  deleteMany(keys: Iterable<K>): void {
    const entries = Array.from(keys, (key) => [key, undefined] as const);
    writeInBatches(this.#batch, uapi.BPF_MAP_DELETE_BATCH, entries, ([key]) => this.delete(key));
  }

  get #batch(): BatchMap<K, V> {
    return { fd: this.fd, key: this.#key, value: this.#value, maxEntries: this.spec.maxEntries };
  }

  #element(key: K) {
    const { mapFd, key: keyField } = uapi.BPF_ATTR.element;
    const attr = bpfAttributes().u32(mapFd, this.fd).u64(keyField, this.#memory.address);
    this.#key.encode(this.#view, 0, key);
    return attr;
  }

  #checkWrite(result: number): void {
    checkBpf(result, `write to map '${this.name}'`, CAPABILITIES, {
      E2BIG: `it is full or has no such entry, ${this.spec.maxEntries} are the most`,
      ENOSPC: `it is full, ${this.spec.maxEntries} entries are the most`,
    });
  }
}

function createMap(spec: MapSpec<never, never> | MapSpec, deviceIndex: number | undefined): number {
  const fields = uapi.BPF_ATTR.mapCreate;
  const attr = bpfAttributes()
    .u32(fields.mapType, kernelMapType(spec.type))
    .u32(fields.keySize, spec.key.bytes)
    .u32(fields.valueSize, spec.value.bytes)
    .u32(fields.maxEntries, spec.maxEntries)
    .u32(fields.mapFlags, kernelMapFlags(spec))
    .u32(fields.mapIfindex, deviceIndex ?? 0)
    .name(fields.mapName, spec.name);
  const what = `${spec.maxEntries} x (${spec.key.bytes} + ${spec.value.bytes}) bytes`;
  return checkBpf(attr.call(uapi.BPF_MAP_CREATE), `create ${spec.type} '${spec.name}' of ${what}`, CAPABILITIES, {
    EINVAL: 'this kernel has no such map, or its sizes are out of range',
    E2BIG: 'its sizes are out of range',
  });
}

function openMap(path: string, spec: MapSpec<never, never> | MapSpec): number {
  const fd = openPinned(path, 'bpf-map');
  const difference = differenceOf(mapInfo(fd), spec);
  if (difference === undefined) return fd;
  libc().close(fd);
  throw new IncompatibleError(`adopt map '${spec.name}' at '${path}'`, `${difference} (made by another version)`);
}

/** How a map differs from what the spec asks for; undefined if it does not. */
function differenceOf(info: MapInfo, spec: MapSpec<never, never> | MapSpec): string | undefined {
  if (info.kernelType !== kernelMapType(spec.type))
    return `it is of type ${mapTypeOf(info.kernelType) ?? info.kernelType}, not ${spec.type}`;
  const rows = [
    ['keys of {} bytes', info.keyBytes, spec.key.bytes],
    ['values of {} bytes', info.valueBytes, spec.value.bytes],
    ['room for {} entries', info.maxEntries, spec.maxEntries],
    ['flags {}', info.flags, kernelMapFlags(spec)],
  ] as const;
  const row = rows.find(([, found, want]) => found !== want);
  return row === undefined ? undefined : `it has ${row[0].replace('{}', `${row[1]}`)}, not ${row[2]}`;
}

function mapInfo(fd: number): MapInfo {
  const at = uapi.BPF_MAP_INFO;
  const info = objectInfo(fd, at.bytes);
  return {
    id: info.getUint32(at.id, true),
    name: nameIn(info, at.name),
    kernelType: info.getUint32(at.type, true),
    keyBytes: info.getUint32(at.keySize, true),
    valueBytes: info.getUint32(at.valueSize, true),
    maxEntries: info.getUint32(at.maxEntries, true),
    flags: info.getUint32(at.mapFlags, true),
  };
}

function roundUp(bytes: number): number {
  return Math.ceil(bytes / 8) * 8;
}
