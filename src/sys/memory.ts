/** Memory outside the JavaScript heap, at addresses that stay: what the kernel may write to while we look away. */
import { SystemError } from './errno.js';
import { koffi } from './ffi.js';
import { lastErrno, libc } from './libc.js';
import { MAP_ANONYMOUS, MAP_FAILED, MAP_FIXED, MAP_PRIVATE, MAP_SHARED, PROT_READ, PROT_WRITE } from './uapi/mman.js';

export interface Mapping {
  /** User-space addresses are below 2^53, so a plain number holds them exactly. */
  readonly address: number;
  readonly bytes: number;
  readonly buffer: ArrayBuffer;
}

/** Zeroed anonymous memory, page aligned; committed by the kernel when touched. Lives until `unmap`. */
export function mapAnonymous(bytes: number): Mapping {
  return map(bytes, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
}

/** Maps `bytes` of a descriptor, shared (io_uring's rings). */
export function map(bytes: number, flags: number, fd: number, offset: number): Mapping {
  return mapProtected(bytes, PROT_READ | PROT_WRITE, flags, fd, offset);
}

/** The same, for memory that only the kernel writes: a write through the views kills the process. */
export function mapReadOnly(bytes: number, flags: number, fd: number, offset: number): Mapping {
  return mapProtected(bytes, PROT_READ, flags, fd, offset);
}

/** Maps the beginning of a descriptor's memory, shared, over a part of a reserved one; whole pages. */
export function mapOver(mapping: Mapping, at: number, bytes: number, fd: number): void {
  const wanted = mapping.address + at;
  const address = Number(libc().mmap(wanted, bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, fd, 0));
  if (address !== wanted) throw new SystemError('mmap', lastErrno());
}

/** The views of a mapping that another thread has made, by its numbers. */
export function viewMemory(address: number, bytes: number): ArrayBuffer {
  return koffi().view(BigInt(address), bytes);
}

function mapProtected(bytes: number, protection: number, flags: number, fd: number, offset: number): Mapping {
  const address = Number(libc().mmap(0, bytes, protection, flags, fd, offset));
  if (address === MAP_FAILED || address < 0) throw new SystemError('mmap', lastErrno());
  return { address, bytes, buffer: koffi().view(BigInt(address), bytes) };
}

/** The caller must hold no view that it will still use. */
export function unmap(mapping: Mapping): void {
  libc().munmap(mapping.address, mapping.bytes);
}

const addresses = new WeakMap<Uint8Array, number>();

/** Where the bytes of a typed array are; it must not be a part of the JavaScript heap (64 bytes or fewer are). */
export function addressOf(bytes: Uint8Array): number {
  let address = addresses.get(bytes);
  if (address === undefined) {
    address = Number(koffi().address(bytes));
    addresses.set(bytes, address);
  }
  return address;
}

/**
 * Memory that somebody else owns, seen through; good as long as it is theirs. Not for anything that clients can repeat: what
 * Node keeps of a view is given back by its event loop, to which a thread whose engine blocks never returns.
 */
export function viewOf(address: number, bytes: number): Uint8Array {
  return new Uint8Array(koffi().view(BigInt(address), bytes));
}

/** Copies between two places in memory, where a view would be kept. */
export function copyMemory(to: number, from: number, bytes: number): void {
  libc().memcpy(to, from, bytes);
}

let pointers = 0;

/** 8 or 4. */
export function pointerBytes(): number {
  if (pointers === 0) pointers = koffi().sizeof('void *');
  return pointers;
}
