/** What this kernel can do, found out by trying it: yes, no, or could not tell, each with the reason. */
import { bpfAttributes } from '../sys/bpf.js';
import { ERRNO, errnoName } from '../sys/errno.js';
import * as uapi from '../sys/uapi/bpf.js';
import * as asm from './asm/index.js';
import { BpfError } from './errors.js';
import { BpfMap } from './map.js';
import { readInBatches } from './map-batch.js';
import { type MapSpec, type MapType, ringBufferSpec } from './map-spec.js';
import { Program } from './program.js';
import { bytes, u32, u64 } from './struct.js';
import { TestRun } from './test-run.js';
import { VerifierError } from './verifier-error.js';

export interface Probed {
  readonly answer: 'yes' | 'no' | 'unknown';
  /** Why not, or why it could not be told; empty for yes. */
  readonly reason: string;
}

interface Probe {
  /** The kernel that brought it. */
  readonly since: string;
  /** Returns if the kernel has it, throws what the kernel says if not. */
  readonly attempt: () => void;
}

const { r0, r10 } = asm;
const passAll: asm.Code = [asm.mov.imm(r0, uapi.XDP_PASS), asm.exit()];

const PROBES = {
  xdp: { since: '4.8', attempt: () => load(passAll) },
  testRun: { since: '4.12', attempt: () => withTestRun((run) => run.run(14)) },
  liveFrames: { since: '5.18', attempt: () => withTestRun((run) => run.sendLive(14, 1, { count: 1 })) },
  // BPF_LINK_DETACH came with XDP links, and asking for a descriptor that nobody has attaches nothing.
  xdpLink: { since: '5.9', attempt: () => expectErrno(uapi.BPF_LINK_DETACH, ERRNO.EBADF) },
  batches: { since: '5.6', attempt: readSomeBatch },
  jump32: {
    since: '5.1',
    attempt: () => load([asm.mov.imm(r0, 2), asm.jeq32.imm(r0, 1, 'a'), asm.label('a'), asm.exit()]),
  },
  boundedLoops: {
    since: '5.3',
    attempt: () => load([asm.mov.imm(r0, 9), asm.label('a'), asm.sub.imm(r0, 1), asm.jne.imm(r0, 0, 'a'), asm.exit()]),
  },
  atomicFetch: {
    since: '5.12',
    attempt: () =>
      load([asm.mov.imm(r0, 2), asm.storeImm(r10, -8, 0, 8), asm.atomicAdd.fetch(r10, -8, r0, 8), asm.exit()]),
  },
  /** Signed division and moves, byte swaps, 32-bit jumps: the fourth instruction set. */
  signedDivision: { since: '6.6', attempt: () => load([asm.mov.imm(r0, 2), asm.sdiv.imm(r0, 3), asm.exit()]) },
  largeFrames: {
    since: '5.18',
    attempt: () => Program.load({ name: 'probe', code: passAll, takesLargeFrames: true }).close(),
  },
} as const satisfies Record<string, Probe>;

export type Feature = keyof typeof PROBES;

export const FEATURES = Object.keys(PROBES) as readonly Feature[];

const MAP_TYPES_SINCE: Readonly<Record<MapType, string>> = {
  hash: '3.19',
  array: '3.19',
  perCpuHash: '4.6',
  perCpuArray: '4.6',
  lruHash: '4.10',
  lpmTrie: '4.11',
  ringBuffer: '5.8',
};

/** A feature that this kernel lacks, for whoever cannot do without. */
export class NotSupportedError extends Error {
  readonly code = 'ERR_PEN_BPF_NOT_SUPPORTED';
  readonly feature: string;

  constructor(feature: string, since: string, reason: string) {
    super(`cannot use ${feature}: the kernel lacks it (it is there since ${since}; here: ${reason})`);
    this.name = 'NotSupportedError';
    this.feature = feature;
  }
}

/** Asked once a process; what could not be told is asked again. */
const known = new Map<string, Probed>();

export function probe(feature: Feature): Probed {
  return ask(feature, PROBES[feature].attempt);
}

/** Whether maps of this type can be made. */
export function probeMapType(type: MapType): Probed {
  return ask(`map ${type}`, () => createSome(type));
}

/** Whether XDP programs may call the helper. */
export function probeHelper(name: asm.HelperName): Probed {
  return ask(`helper ${name}`, () => {
    try {
      load([asm.callHelper(name), asm.exit()]);
    } catch (error) {
      // A kernel that has it goes on to complain about the arguments.
      if (!(error instanceof VerifierError) || /func/.test(error.reason)) throw error;
    }
  });
}

/** Throws a NotSupportedError if the kernel lacks the feature; what could not be told is left for the attempt itself. */
export function demand(feature: Feature): void {
  const { answer, reason } = probe(feature);
  if (answer === 'no') throw new NotSupportedError(feature, PROBES[feature].since, reason);
}

export function demandMapType(type: MapType): void {
  const { answer, reason } = probeMapType(type);
  if (answer === 'no') throw new NotSupportedError(`maps of type ${type}`, MAP_TYPES_SINCE[type], reason);
}

function ask(name: string, attempt: () => void): Probed {
  const before = known.get(name);
  if (before !== undefined) return before;
  const probed = judge(attempt);
  if (probed.answer !== 'unknown') known.set(name, probed);
  return probed;
}

/** What an attempt tells: a lack of rights or memory says nothing about the kernel. */
export function judge(attempt: () => void): Probed {
  try {
    attempt();
    return { answer: 'yes', reason: '' };
  } catch (error) {
    if (error instanceof VerifierError) return { answer: 'no', reason: error.reason };
    if (!(error instanceof BpfError)) throw error;
    // 524 is the kernel's own ENOTSUPP, which has no name outside.
    const isNo = ['EINVAL', 'EOPNOTSUPP', 'ENOSYS', 'errno 524'].includes(error.code);
    return { answer: isNo ? 'no' : 'unknown', reason: error.message };
  }
}

function load(code: asm.Code): void {
  Program.load({ name: 'probe', code }).close();
}

function withTestRun(use: (run: TestRun) => void): void {
  const program = Program.load({ name: 'probe', code: [asm.mov.imm(r0, uapi.XDP_DROP), asm.exit()] });
  const run = new TestRun(program);
  try {
    use(run);
  } finally {
    run.close();
    program.close();
  }
}

function readSomeBatch(): void {
  const spec: MapSpec<number, bigint> = { name: 'probe', type: 'array', key: u32, value: u64, maxEntries: 1 };
  const map = BpfMap.create(spec);
  try {
    const found = readInBatches({ fd: map.fd, key: u32, value: u64, maxEntries: 1 });
    if (found === 'missing') throw new BpfError('read a map in batches', ERRNO.EINVAL);
    if (typeof found === 'number') throw new BpfError('read a map in batches', found);
  } finally {
    map.close();
  }
}

function createSome(type: MapType): void {
  if (type === 'ringBuffer') BpfMap.create(ringBufferSpec('probe', 1 << 16)).close();
  else if (type === 'lpmTrie')
    BpfMap.create({ name: 'probe', type, key: bytes(8, 4), value: u32, maxEntries: 1 }).close();
  else if (type === 'perCpuArray' || type === 'perCpuHash')
    BpfMap.createPerCpu({ name: 'probe', type, key: u32, value: u32, maxEntries: 1 }).close();
  else BpfMap.create({ name: 'probe', type, key: u32, value: u32, maxEntries: 1 }).close();
}

/** Has the kernel look at a command about descriptor -1: one it knows says `expected`. */
function expectErrno(command: number, expected: number): void {
  const result = bpfAttributes().u32(0, 0xffff_ffff).call(command);
  if (result === -expected) return;
  throw new BpfError(`call bpf command ${command} (${errnoName(expected)} expected)`, result);
}
