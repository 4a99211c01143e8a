/** Programs: a pure specification first, what the kernel made of it second. */
import { bpfAttributes } from '../sys/bpf.js';
import { ERRNO } from '../sys/errno.js';
import { type Mapping, mapAnonymous, unmap } from '../sys/memory.js';
import * as uapi from '../sys/uapi/bpf.js';
import { assemble, type Code, type MapDescriptors } from './asm/index.js';
import { checkBpf } from './errors.js';
import { Handle, nameIn, objectInfo, openPinned } from './handle.js';
import { VerifierError } from './verifier-error.js';

/** An XDP program as plain values. */
export interface ProgramSpec {
  readonly name: string;
  readonly code: Code;
  /** Helpers that the kernel keeps for GPL programs need 'Dual MIT/GPL'. */
  readonly license?: string;
  /** The frames may be larger than a page (5.18): the program must reach beyond the first page by helpers only. */
  readonly takesLargeFrames?: boolean;
}

export interface LoadOptions {
  /** The maps that the program names. */
  readonly maps?: Readonly<Record<string, { readonly fd: number }>>;
  /** Loads it into the network card with this interface index, which must be able to run programs. */
  readonly deviceIndex?: number;
}

export interface ProgramInfo {
  readonly id: number;
  readonly name: string;
  /** A hash of the instructions, as the kernel's tools show it. */
  readonly tag: string;
  /** After the verifier has rewritten it. */
  readonly translatedBytes: number;
}

const CAPABILITIES = [uapi.CAP_BPF, uapi.CAP_NET_ADMIN];
const BPF_F_XDP_HAS_FRAGS = 1 << 5;
/** Committed only as far as the verifier writes; longer logs lose their beginning from kernel 6.4 on. */
const LOG_BYTES = 16 << 20;
/** The verifier gives up with EAGAIN when a signal comes; five times in a row it is something else. */
const LOAD_ATTEMPTS = 5;

export class Program extends Handle {
  private constructor(name: string, fd: number) {
    super(name, fd);
  }

  /**
   * Has the kernel check and take the program. Throws a VerifierError that says which of our instructions is at
   * fault, an AssemblyError for a program that can't be put together, a BpfError for what is not the program's fault.
   */
  static load(spec: ProgramSpec, options: LoadOptions = {}): Program {
    const descriptors: MapDescriptors = Object.fromEntries(
      Object.entries(options.maps ?? {}).map(([name, map]) => [name, map.fd]),
    );
    const { bytes } = assemble(spec.code, descriptors);
    const license = Buffer.from(`${spec.license ?? 'MIT'}\0`);
    const licenseAt = Math.ceil(bytes.length / 8) * 8;
    const memory = mapAnonymous(licenseAt + license.length);
    try {
      new Uint8Array(memory.buffer).set(bytes);
      new Uint8Array(memory.buffer).set(license, licenseAt);
      const load = (log?: Mapping) =>
        loadOnce(spec, memory.address, bytes.length, memory.address + licenseAt, options, log);
      const fd = load();
      if (fd >= 0) return new Program(spec.name, fd);
      // A log slows verification down, so it is asked for only when there is something to explain.
      throw explain(spec, fd, load);
    } finally {
      unmap(memory);
    }
  }

  /** The program pinned at `path`. */
  static open(path: string): Program {
    return new Program(path, openPinned(path, 'bpf-prog'));
  }

  get info(): ProgramInfo {
    const at = uapi.BPF_PROG_INFO;
    const info = objectInfo(this.fd, at.bytes);
    return {
      id: info.getUint32(at.id, true),
      name: nameIn(info, at.name),
      tag: Buffer.from(info.buffer, at.tag, 8).toString('hex'),
      translatedBytes: info.getUint32(at.xlatedProgLen, true),
    };
  }
}

function loadOnce(
  spec: ProgramSpec,
  code: number,
  codeBytes: number,
  license: number,
  options: LoadOptions,
  log: Mapping | undefined,
): number {
  const at = uapi.BPF_ATTR.progLoad;
  for (let attempt = 1; ; attempt++) {
    const attr = bpfAttributes()
      .u32(at.progType, uapi.BPF_PROG_TYPE_XDP)
      .u32(at.insnCnt, codeBytes / uapi.BPF_INSN_BYTES)
      .u64(at.insns, code)
      .u64(at.license, license)
      .u32(at.progFlags, spec.takesLargeFrames === true ? BPF_F_XDP_HAS_FRAGS : 0)
      .u32(at.progIfindex, options.deviceIndex ?? 0)
      .name(at.progName, spec.name);
    if (log !== undefined) attr.u32(at.logLevel, 1).u32(at.logSize, log.bytes).u64(at.logBuf, log.address);
    const result = attr.call(uapi.BPF_PROG_LOAD);
    if (result !== -ERRNO.EAGAIN || attempt === LOAD_ATTEMPTS) return result;
  }
}

/** The error for a program that was refused: loads it once more, with a log. */
function explain(spec: ProgramSpec, errno: number, load: (log: Mapping) => number): Error {
  const log = mapAnonymous(LOG_BYTES);
  try {
    // Should it be taken this time, something outside the program was at fault the first time.
    const again = load(log);
    if (again >= 0) new Handle(spec.name, again).close();
    const bytes = Buffer.from(log.buffer);
    const text = bytes.toString('latin1', 0, bytes.indexOf(0));
    if (again < 0 && text.trim() !== '') return new VerifierError(spec.name, errno, text, spec.code);
    try {
      checkBpf(errno, `load program '${spec.name}'`, CAPABILITIES, {
        EINVAL: 'the kernel knows no such program or flag, or the card runs no programs',
        E2BIG: 'too many instructions',
      });
    } catch (error) {
      return error as Error;
    }
    return new Error(`cannot load program '${spec.name}'`);
  } finally {
    unmap(log);
  }
}
