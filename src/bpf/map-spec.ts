/** What a map is to be: plain values, known before any kernel is asked. */
import { readFileSync } from 'node:fs';
import * as uapi from '../sys/uapi/bpf.js';
import { bytes, type Codec } from './struct.js';

const MAP_TYPES = {
  hash: uapi.BPF_MAP_TYPE_HASH,
  lruHash: uapi.BPF_MAP_TYPE_LRU_HASH,
  array: uapi.BPF_MAP_TYPE_ARRAY,
  perCpuHash: uapi.BPF_MAP_TYPE_PERCPU_HASH,
  perCpuArray: uapi.BPF_MAP_TYPE_PERCPU_ARRAY,
  lpmTrie: uapi.BPF_MAP_TYPE_LPM_TRIE,
  ringBuffer: uapi.BPF_MAP_TYPE_RINGBUF,
} as const;

export type MapType = keyof typeof MAP_TYPES;

export interface MapSpec<K = unknown, V = unknown> {
  /** Up to 15 letters, digits, '_' and '.' are shown by the kernel's tools. */
  readonly name: string;
  readonly type: MapType;
  readonly key: Codec<K>;
  /** As the program sees it; of a map per CPU, one CPU's. */
  readonly value: Codec<V>;
  /** A ring buffer's size in bytes: a power of two, at least a page. */
  readonly maxEntries: number;
  /**
   * Of an LRU hash: a list of free entries for each CPU. Cheaper to write where many CPUs do, but a CPU that has used
   * up its own evicts though others have room.
   */
  readonly perCpuLists?: boolean;
}

/** A ring buffer has neither key nor value. */
export function ringBufferSpec(name: string, sizeInBytes: number): MapSpec<Uint8Array, Uint8Array> {
  return { name, type: 'ringBuffer', key: bytes(0), value: bytes(0), maxEntries: sizeInBytes };
}

export function kernelMapType(type: MapType): number {
  return MAP_TYPES[type];
}

/** The type by the kernel's number; undefined for those that this library does not know. */
export function mapTypeOf(kernelType: number): MapType | undefined {
  return (Object.keys(MAP_TYPES) as MapType[]).find((type) => MAP_TYPES[type] === kernelType);
}

export function kernelMapFlags(spec: MapSpec<never, never> | MapSpec): number {
  // A trie can't be allocated ahead; a kernel that keeps hashes so serves packets without touching the allocator.
  if (spec.type === 'lpmTrie') return uapi.BPF_F_NO_PREALLOC;
  return spec.perCpuLists === true ? uapi.BPF_F_NO_COMMON_LRU : 0;
}

export function isPerCpu(type: MapType): boolean {
  return type === 'perCpuArray' || type === 'perCpuHash';
}

/** The values of all CPUs, as the kernel hands them over: each in a multiple of eight bytes. */
export function perCpu<T>(value: Codec<T>, cpus = possibleCpus()): Codec<T[]> {
  const stride = Math.ceil(value.bytes / 8) * 8;
  return {
    bytes: stride * cpus,
    align: 8,
    isBigEndian: false,
    encode(view, offset, values) {
      if (values.length !== cpus) throw new RangeError(`${values.length} values for ${cpus} CPUs`);
      for (let cpu = 0; cpu < cpus; cpu++) value.encode(view, offset + cpu * stride, values[cpu]);
    },
    decode: (view, offset) => Array.from({ length: cpus }, (_, cpu) => value.decode(view, offset + cpu * stride)),
  };
}

/** CPUs there could ever be, which is how many values a map per CPU has. */
export function possibleCpus(): number {
  const text = readFileSync('/sys/devices/system/cpu/possible', 'latin1').trim();
  return text.split(',').reduce((sum, range) => {
    const [first, last = first] = range.split('-').map(Number);
    return sum + last - first + 1;
  }, 0);
}

/** The sum over all CPUs, field by field. */
export function sumOf<T extends Readonly<Record<string, bigint>>>(values: readonly T[]): T {
  const sum: Record<string, bigint> = {};
  for (const value of values)
    for (const [field, count] of Object.entries(value)) sum[field] = (sum[field] ?? 0n) + count;
  return sum as T;
}
