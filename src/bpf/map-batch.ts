/** Many entries in one system call (kernel 5.6; 0.1 us an entry where single calls cost 1), with what to do where there is none. */
import { type BpfAttributes, bpfAttributes } from '../sys/bpf.js';
import { ERRNO } from '../sys/errno.js';
import { mapAnonymous, unmap } from '../sys/memory.js';
import * as uapi from '../sys/uapi/bpf.js';
import type { Codec } from './struct.js';

/** One call carries up to so many entries and bytes: beyond them an entry gets no cheaper. */
const MOST_ENTRIES = 4096;
const MOST_BYTES = 1 << 20;

const AT = uapi.BPF_ATTR.batch;

/** A map as the batch calls see it. */
export interface BatchMap<K, V> {
  readonly fd: number;
  readonly key: Codec<K>;
  readonly value: Codec<V>;
  readonly maxEntries: number;
}

/** The kernel has no batches, or not for this type of map; or -errno of a call that failed. */
export type BatchFailure = 'missing' | number;

/** All entries, or why not. */
export function readInBatches<K, V>(map: BatchMap<K, V>): Array<[K, V]> | BatchFailure {
  const found: Array<[K, V]> = [];
  let room = roomOf(map);
  let token: Uint8Array | undefined;
  for (;;) {
    const result = readBatch(map, room, token, found);
    // One bucket of the table has more entries than there is room for.
    if (result === -ERRNO.ENOSPC) room *= 2;
    else if (result === -ERRNO.ENOENT) return found;
    else if (typeof result === 'number') return token === undefined && isMissing(result) ? 'missing' : result;
    else token = result;
  }
}

/** Appends one batch to `found`; the token to go on with, or -errno: ENOENT means that this was the last. */
function readBatch<K, V>(
  map: BatchMap<K, V>,
  room: number,
  token: Uint8Array | undefined,
  found: Array<[K, V]>,
): Uint8Array | number {
  // The token is a key, or four bytes of the kernel's own.
  const tokenBytes = roundUp(Math.max(8, map.key.bytes));
  const keysAt = 2 * tokenBytes;
  const valuesAt = keysAt + roundUp(room * map.key.bytes);
  const memory = mapAnonymous(valuesAt + room * map.value.bytes);
  try {
    const attr = bpfAttributes().u32(AT.mapFd, map.fd).u32(AT.count, room);
    if (token !== undefined) {
      new Uint8Array(memory.buffer).set(token);
      attr.u64(AT.inBatch, memory.address);
    }
    attr.u64(AT.outBatch, memory.address + tokenBytes).u64(AT.keys, memory.address + keysAt);
    const result = attr.u64(AT.values, memory.address + valuesAt).call(uapi.BPF_MAP_LOOKUP_BATCH);
    if (result < 0 && result !== -ERRNO.ENOENT) return result;
    const view = new DataView(memory.buffer);
    const count = attr.readU32(AT.count);
    for (let i = 0; i < count; i++) {
      const key = map.key.decode(view, keysAt + i * map.key.bytes);
      found.push([key, map.value.decode(view, valuesAt + i * map.value.bytes)]);
    }
    return result < 0 ? result : new Uint8Array(memory.buffer).slice(tokenBytes, 2 * tokenBytes);
  } finally {
    unmap(memory);
  }
}

/**
 * Writes the entries (BPF_MAP_UPDATE_BATCH) or takes those with these keys away (BPF_MAP_DELETE_BATCH, values then
 * undefined). Hands each entry that the kernel left to `one`: all of them without batches, else the one that failed
 * and those after it in its batch.
 */
export function writeInBatches<K, V, E extends readonly [K, V | undefined]>(
  map: BatchMap<K, V>,
  command: number,
  entries: Iterable<E>,
  one: (entry: E) => void,
): void {
  const room = roomOf(map);
  const valuesAt = roundUp(room * map.key.bytes);
  const memory = mapAnonymous(valuesAt + room * map.value.bytes);
  try {
    const view = new DataView(memory.buffer);
    const batch: E[] = [];
    const flush = () => {
      const attr = bpfAttributes().u32(AT.mapFd, map.fd).u32(AT.count, batch.length).u64(AT.keys, memory.address);
      if (command === uapi.BPF_MAP_UPDATE_BATCH) attr.u64(AT.values, memory.address + valuesAt);
      for (const entry of batch.slice(written(attr, command, batch.length))) one(entry);
      batch.length = 0;
    };
    for (const entry of entries) {
      map.key.encode(view, batch.length * map.key.bytes, entry[0]);
      if (entry[1] !== undefined) map.value.encode(view, valuesAt + batch.length * map.value.bytes, entry[1]);
      batch.push(entry);
      if (batch.length === room) flush();
    }
    if (batch.length > 0) flush();
  } finally {
    unmap(memory);
  }
}

/** How many of `count` entries the kernel took. */
function written(attr: BpfAttributes, command: number, count: number): number {
  const result = attr.call(command);
  if (result >= 0) return count;
  // Where there are no batches the kernel leaves the count as it was.
  return isMissing(result) ? 0 : Math.min(count, attr.readU32(AT.count));
}

function roomOf(map: BatchMap<unknown, unknown>): number {
  const fitting = Math.floor(MOST_BYTES / (map.key.bytes + map.value.bytes));
  return Math.max(1, Math.min(MOST_ENTRIES, map.maxEntries, fitting));
}

function isMissing(result: number): boolean {
  // 524 is the kernel's own ENOTSUPP, which has no name outside.
  return result === -ERRNO.EINVAL || result === -ERRNO.EOPNOTSUPP || result === -524;
}

function roundUp(bytes: number): number {
  return Math.ceil(bytes / 8) * 8;
}
