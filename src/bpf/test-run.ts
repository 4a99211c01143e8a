/**
 * Running a program on frames of our own (BPF_PROG_TEST_RUN): for tests, for timing, and, with live frames (5.18), as
 * a packet generator. The memory is used again, so a run costs little more than the system call (1.3 us).
 */
import { bpfAttributes } from '../sys/bpf.js';
import { ERRNO } from '../sys/errno.js';
import { type Mapping, mapAnonymous, unmap } from '../sys/memory.js';
import * as uapi from '../sys/uapi/bpf.js';
import { checkBpf } from './errors.js';

/** The kernel gives such a frame one page, less its headroom and tail. */
export const MAX_FRAME_BYTES = 3520;
const CAPABILITIES = [uapi.CAP_BPF, uapi.CAP_NET_ADMIN];
const ROOM = 4096;
const AT = uapi.BPF_ATTR.testRun;

interface Runnable {
  readonly name: string;
  readonly fd: number;
}

export class TestRun {
  /** Where the frame goes in: fill it, then `run`. */
  readonly input: Uint8Array;
  /** Where the frame comes out: `outputBytes` of it are valid after a run. */
  readonly output: Uint8Array;
  readonly #memory: Mapping;
  readonly #context: DataView;
  #program: Runnable;
  #isClosed = false;
  #outputBytes = 0;
  #nanoseconds = 0;

  /** Requires kernel 4.12. The caller closes it; the program stays the caller's. */
  constructor(program: Runnable) {
    this.#program = program;
    this.#memory = mapAnonymous(2 * ROOM + uapi.XDP_MD.bytes);
    this.input = new Uint8Array(this.#memory.buffer, 0, ROOM);
    this.output = new Uint8Array(this.#memory.buffer, ROOM, ROOM);
    this.#context = new DataView(this.#memory.buffer, 2 * ROOM, uapi.XDP_MD.bytes);
  }

  get outputBytes(): number {
    return this.#outputBytes;
  }

  /** Of the last run: the mean of its repetitions, whole nanoseconds. */
  get nanoseconds(): number {
    return this.#nanoseconds;
  }

  /** Another program for the same memory. */
  use(program: Runnable): void {
    this.#program = program;
  }

  /**
   * Runs the program on the first `bytes` of `input`, of which it wants at least 14; gives the verdict. Repeated runs
   * go over the same frame as the run before left it.
   */
  run(bytes: number, repeat = 1): number {
    for (;;) {
      const attr = this.#attributes(bytes, repeat)
        .u64(AT.dataOut, this.#memory.address + ROOM)
        .u32(AT.dataSizeOut, ROOM);
      const result = attr.call(uapi.BPF_PROG_TEST_RUN);
      if (result === -ERRNO.EINTR) continue;
      this.#check(result, bytes);
      this.#outputBytes = attr.readU32(AT.dataSizeOut);
      this.#nanoseconds = attr.readU32(AT.duration);
      return attr.readU32(AT.retval);
    }
  }

  /**
   * Sends the frame `count` times as if it had come in at the interface: what the program says is done with it
   * (XDP_TX leaves there, XDP_PASS goes to the kernel). Requires kernel 5.18. Ends early when a signal comes.
   */
  sendLive(bytes: number, interfaceIndex: number, options: { readonly count: number; readonly batch?: number }): void {
    const { count, batch = 64 } = options;
    this.#context.setUint32(uapi.XDP_MD.data, 0, true);
    this.#context.setUint32(uapi.XDP_MD.dataEnd, bytes, true);
    this.#context.setUint32(uapi.XDP_MD.ingressIfindex, interfaceIndex, true);
    const attr = this.#attributes(bytes, count)
      .u64(AT.ctxIn, this.#memory.address + 2 * ROOM)
      .u32(AT.ctxSizeIn, uapi.XDP_MD.bytes)
      .u32(AT.flags, uapi.BPF_F_TEST_XDP_LIVE_FRAMES)
      .u32(AT.batchSize, batch);
    const result = attr.call(uapi.BPF_PROG_TEST_RUN);
    if (result !== -ERRNO.EINTR) this.#check(result, bytes);
  }

  /** Idempotent; `input` and `output` must not be touched afterwards. */
  close(): void {
    if (!this.#isClosed) unmap(this.#memory);
    this.#isClosed = true;
  }

  #attributes(bytes: number, repeat: number) {
    if (this.#isClosed) throw new Error('the test run has been closed');
    return bpfAttributes()
      .u32(AT.progFd, this.#program.fd)
      .u64(AT.dataIn, this.#memory.address)
      .u32(AT.dataSizeIn, bytes)
      .u32(AT.repeat, repeat);
  }

  #check(result: number, bytes: number): void {
    checkBpf(result, `run program '${this.#program.name}' on a frame of ${bytes} bytes`, CAPABILITIES, {
      EINVAL: `a frame has 14 to ${MAX_FRAME_BYTES} bytes; live frames need kernel 5.18 and an interface`,
      ENODEV: 'no such interface',
    });
  }
}
