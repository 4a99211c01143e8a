/** bpf(2). One call at a time on each thread: the attributes live in memory that is used again. */
import { ERRNO } from './errno.js';
import { lastErrno, libc } from './libc.js';
import { type Mapping, mapAnonymous } from './memory.js';
import { BPF_ATTR, BPF_OBJ_NAME_LEN } from './uapi/bpf.js';

/** From each architecture's <asm/unistd.h>; arm64, riscv64 and loong64 share the generic table. */
const SYS_BPF: Readonly<Record<string, number>> = {
  x64: 321,
  arm64: 280,
  riscv64: 280,
  loong64: 280,
  arm: 386,
  ia32: 357,
  ppc64: 361,
  s390x: 351,
};

/** The attributes of one call, all zero at first; offsets are those of BPF_ATTR. */
export class BpfAttributes {
  readonly #memory: Mapping = mapAnonymous(BPF_ATTR.bytes);
  readonly #view = new DataView(this.#memory.buffer, 0, BPF_ATTR.bytes);
  readonly #words = new Uint32Array(this.#memory.buffer, 0, BPF_ATTR.bytes / 4);

  reset(): this {
    this.#words.fill(0);
    return this;
  }

  u32(offset: number, value: number): this {
    this.#view.setUint32(offset, value, true);
    return this;
  }

  /** For addresses: integers below 2^53. */
  u64(offset: number, value: number): this {
    this.#view.setUint32(offset, value >>> 0, true);
    this.#view.setUint32(offset + 4, Math.floor(value / 0x1_0000_0000), true);
    return this;
  }

  /** A name of up to 15 characters; the kernel knows letters, digits, '_' and '.', others become '_'. */
  name(offset: number, name: string): this {
    const known = name.replace(/[^\w.]/g, '_').slice(0, BPF_OBJ_NAME_LEN - 1);
    for (let i = 0; i < known.length; i++) this.#view.setUint8(offset + i, known.charCodeAt(i));
    return this;
  }

  /** What the kernel wrote there. */
  readU32(offset: number): number {
    return this.#view.getUint32(offset, true);
  }

  /** The result, or -errno. */
  call(command: number): number {
    const number = SYS_BPF[process.arch];
    if (process.platform !== 'linux' || number === undefined) return -ERRNO.ENOSYS;
    const result = libc().syscall(number, command, this.#memory.address, BPF_ATTR.bytes, 0, 0, 0);
    return result < 0 ? -lastErrno() : result;
  }
}

let own: BpfAttributes | undefined;

/** This thread's attributes, zeroed: to be filled and called before anyone else asks for them. */
export function bpfAttributes(): BpfAttributes {
  own ??= new BpfAttributes();
  return own.reset();
}
