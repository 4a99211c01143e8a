/** A kernel object that we hold by exactly one descriptor: maps, programs, links. */
import { readlinkSync } from 'node:fs';
import { bpfAttributes } from '../sys/bpf.js';
import { libc } from '../sys/libc.js';
import { mapAnonymous, unmap } from '../sys/memory.js';
import { BPF_ATTR, BPF_OBJ_GET, BPF_OBJ_GET_INFO_BY_FD, BPF_OBJ_PIN, CAP_BPF } from '../sys/uapi/bpf.js';
import { checkBpf, IncompatibleError } from './errors.js';

/** As the kernel calls them in /proc/self/fd. */
export type ObjectKind = 'bpf-map' | 'bpf-prog' | 'bpf-link';

export class Handle {
  /** For messages. */
  readonly name: string;
  #fd: number;

  /** Owns `fd` from here on. */
  constructor(name: string, fd: number) {
    this.name = name;
    this.#fd = fd;
  }

  /** Throws once the handle has been closed. */
  get fd(): number {
    if (this.#fd < 0) throw new Error(`'${this.name}' has been closed`);
    return this.#fd;
  }

  get isClosed(): boolean {
    return this.#fd < 0;
  }

  /** Gives the descriptor back; the object lives on as long as something else holds it (a pin, a link). Idempotent. */
  close(): void {
    if (this.#fd < 0) return;
    libc().close(this.#fd);
    this.#fd = -1;
  }

  /** Gives the object a name in a bpffs, where it outlives the process. Unlink the file to take it away. */
  pin(path: string): void {
    withText(path, (address) => {
      const attr = bpfAttributes();
      attr.u64(BPF_ATTR.object.pathname, address).u32(BPF_ATTR.object.bpfFd, this.fd);
      checkBpf(attr.call(BPF_OBJ_PIN), `pin '${this.name}' at '${path}'`, [CAP_BPF], {
        EEXIST: 'something is pinned there, remove it first',
        ENOENT: 'no such directory',
        EINVAL: 'not in a bpffs: mount -t bpf bpf DIRECTORY',
      });
    });
  }
}

/**
 * The descriptor of what is pinned at `path`; the caller closes it. Throws a BpfError (ENOENT if there is nothing), or
 * an IncompatibleError if it is an object of another kind.
 */
export function openPinned(path: string, kind: ObjectKind): number {
  const fd = withText(path, (address) => {
    const attr = bpfAttributes();
    attr.u64(BPF_ATTR.object.pathname, address);
    return checkBpf(attr.call(BPF_OBJ_GET), `open what is pinned at '${path}'`, [CAP_BPF], {
      ENOENT: 'nothing is pinned there',
      EACCES: 'not a file of a bpffs, or no permission',
    });
  });
  // Links were called 'bpf_link' until a kernel between 6.1 and 6.18.
  const found = readlinkSync(`/proc/self/fd/${fd}`).replace('anon_inode:', '').replace('_', '-');
  if (found === kind) return fd;
  libc().close(fd);
  throw new IncompatibleError(`adopt '${path}'`, `it is a ${found}, not a ${kind}`);
}

/** Fills a struct of information about the object: what the kernel gives of `bytes`. */
export function objectInfo(fd: number, bytes: number): DataView {
  const memory = mapAnonymous(bytes);
  try {
    const attr = bpfAttributes();
    const { bpfFd, infoLen, info } = BPF_ATTR.info;
    attr.u32(bpfFd, fd).u32(infoLen, bytes).u64(info, memory.address);
    checkBpf(attr.call(BPF_OBJ_GET_INFO_BY_FD), `ask about BPF object ${fd}`, [CAP_BPF]);
    return new DataView(memory.buffer.slice(0, bytes));
  } finally {
    unmap(memory);
  }
}

/** A name of the kind the kernel keeps: 16 bytes, ended by a zero. */
export function nameIn(info: DataView, offset: number): string {
  const text = Buffer.from(info.buffer, info.byteOffset + offset, 16).toString('latin1');
  return text.slice(0, Math.max(0, text.indexOf('\0')));
}

/** Runs `use` with the address of the text as a C string. */
export function withText<T>(text: string, use: (address: number) => T): T {
  const memory = mapAnonymous(Buffer.byteLength(text) + 1);
  try {
    Buffer.from(memory.buffer).write(text);
    return use(memory.address);
  } finally {
    unmap(memory);
  }
}
