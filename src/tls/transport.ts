/**
 * The two ends through which every session of a thread meets its bytes. Sessions take turns, so they can share them, and
 * an idle session holds no buffers:
 *
 *    engine's buffer ---> [ reads: memory BIO that points into it ] ---> session
 *    engine's buffer <--- [ out | writes: BIO pair, a ring of RING_BYTES ] <--- session
 *
 * What is received is not copied: a read-only memory BIO reads from wherever its BUF_MEM (a public structure,
 * openssl/buffer.h) points, and tells there how much is left. What is to be sent is bounded by the ring: a session that
 * fills it is told to wait, and goes on after `take`. Invariant: between two calls on sessions, the ring is empty and
 * `reads` points nowhere.
 *
 *    BUF_MEM: length:size_t data:pointer max:size_t flags:unsigned long
 */
import { mapAnonymous, pointerBytes, unmap, viewOf } from '../sys/memory.js';
import { openssl } from '../sys/openssl.js';
import { BIO_C_GET_BUF_MEM_PTR, BIO_C_SET_BUF_MEM_EOF_RETURN, BIO_CTRL_PENDING } from '../sys/uapi/openssl.js';

/** Four full records and what a handshake may have to say beside them. */
export const RING_BYTES = 81_920;
/** The most plaintext in one write whose records surely fit the ring. */
export const WRITE_BYTES = 65_536;

export class Transport {
  /** For `SSL_set_bio`, which takes a reference of its own to each. */
  readonly reads: number;
  readonly writes: number;
  readonly #out: number;
  readonly #ssl = openssl();
  readonly #buffer: Uint32Array;
  readonly #isWide = pointerBytes() === 8;
  readonly #length: number;
  readonly #data: number;
  readonly #max: number;

  /** Throws an Error if this OpenSSL's memory BIO is not as described above. */
  constructor() {
    const ssl = this.#ssl;
    const cell = mapAnonymous(4096);
    const words = new BigUint64Array(cell.buffer);
    const pointers = new Uint32Array(cell.buffer);
    const pointer = (at: number) => (this.#isWide ? Number(words[at]) : (pointers[at * 2] as number));
    ssl.BIO_new_bio_pair(cell.address, RING_BYTES, cell.address + 8, 1024);
    this.writes = pointer(0);
    this.#out = pointer(1);
    this.reads = ssl.BIO_new_mem_buf(cell.address, 3);
    ssl.BIO_ctrl(this.reads, BIO_C_SET_BUF_MEM_EOF_RETURN, -1, 0);
    ssl.BIO_ctrl(this.reads, BIO_C_GET_BUF_MEM_PTR, 0, cell.address);
    this.#buffer = new Uint32Array(viewOf(pointer(0), 3 * pointerBytes()).buffer);
    const step = pointerBytes() / 4;
    [this.#length, this.#data, this.#max] = [0, step, 2 * step];

    // Two of five bytes read from elsewhere: what is left must be told.
    this.offer(cell.address + 64, 5);
    const taken = ssl.BIO_read(this.reads, cell.address + 128, 2);
    const isAsDescribed = taken === 2 && this.left === 3 && this.#buffer[this.#data] === (cell.address + 66) % 2 ** 32;
    this.withdraw();
    if (this.writes === 0 || !isAsDescribed) throw new Error('this build of OpenSSL has another kind of memory BIO');
    unmap(cell);
  }

  /** Lets the next session's calls read from there; the memory must stay until `withdraw`. */
  offer(address: number, length: number): void {
    const buffer = this.#buffer;
    const data = this.#data;
    buffer[this.#length] = length;
    buffer[this.#max] = length;
    buffer[data] = address;
    if (this.#isWide) buffer[data + 1] = address / 4294967296;
  }

  /** Bytes offered and not read. */
  get left(): number {
    return this.#buffer[this.#length] as number;
  }

  withdraw(): void {
    this.#buffer[this.#length] = 0;
  }

  /** Bytes that the session has written. */
  pending(): number {
    return this.#ssl.BIO_ctrl(this.#out, BIO_CTRL_PENDING, 0, 0);
  }

  /** Moves what the session has written to that place, at most `capacity` bytes; how many, 0 if there were none. */
  take(address: number, capacity: number): number {
    return Math.max(this.#ssl.BIO_read(this.#out, address, capacity), 0);
  }

  /** After every session has been freed. */
  close(): void {
    this.#ssl.BIO_free(this.reads);
    this.#ssl.BIO_free(this.writes);
    this.#ssl.BIO_free(this.#out);
  }
}
