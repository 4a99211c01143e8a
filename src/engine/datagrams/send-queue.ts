/**
 * Datagrams on their way out: queued while a batch is handled, then sent socket by socket, each with as few system
 * calls as there can be. A chain of entries for each socket keeps its datagrams in order. Datagrams of one size to one
 * destination, one after the other, go to the kernel as one that it cuts up (UDP_SEGMENT, Linux 4.18).
 *
 *   entry     socket | place | length | tag | next of the same socket
 *   message   one struct mmsghdr: a single entry, or a run of them with an iovec for each stretch of memory
 */
import { ERRNO } from '../../sys/errno.js';
import { type Libc, lastErrno, libc } from '../../sys/libc.js';
import { type Mapping, mapAnonymous, unmap } from '../../sys/memory.js';
import { MAX_SEGMENTS, type MessageAbi, SOL_UDP } from '../../sys/uapi/message.js';
import { MSG_DONTWAIT, MSG_NOSIGNAL } from '../../sys/uapi/socket.js';
import { isNetworkError } from './network-error.js';
import type { ReturnPaths } from './return-paths.js';
import { aligned, setPointer } from './slots.js';

/** Messages and iovecs of one sendmmsg(2). */
const BATCH = 64;
const IOVECS = 256;
/** Room for control data of our own beside a path's: UDP_SEGMENT. */
const CONTROL_WORDS = 16;
/** The largest payload that the kernel cuts up: an IPv4 packet's. */
const MAX_RUN_BYTES = 65_507;
/** Runs shorter than this are not worth the control message. */
const SHORTEST_RUN = 2;
const NOBODY = -1;
const FLAGS = MSG_DONTWAIT | MSG_NOSIGNAL;

export interface SendEvents {
  /** The socket has not been closed since the entry was queued. */
  isOpen(socket: number): boolean;
  unsent(tag: number, isReply: boolean, at: number, length: number, error: number): void;
}

export class SendQueue {
  readonly #libc: Libc = libc();
  readonly #abi: MessageAbi;
  readonly #hasBatches: boolean;
  readonly #paths: ReturnPaths;
  readonly #memoryAddress: number;
  readonly #events: SendEvents;

  // Entries.
  #socket = new Int32Array(1024);
  #at = new Int32Array(1024);
  #length = new Int32Array(1024);
  #tag = new Int32Array(1024);
  #isReply = new Uint8Array(1024);
  #next = new Int32Array(1024);
  #count = 0;
  /** Sockets that have entries, in the order of their first. */
  #order = new Int32Array(1024);
  #sockets = 0;
  // By descriptor: its chain.
  #first = new Int32Array(1024).fill(NOBODY);
  #last = new Int32Array(1024).fill(NOBODY);
  /** 1 for sockets whose way out does not cut up datagrams. */
  #cannotCut = new Uint8Array(1024);

  readonly #messages: Mapping;
  readonly #words: Int32Array;
  readonly #iovecAt: number;
  readonly #controlAt: number;
  /** First entry of each message, and how many. */
  readonly #messageEntry = new Int32Array(BATCH);
  readonly #messageEntries = new Int32Array(BATCH);

  constructor(memoryAddress: number, paths: ReturnPaths, events: SendEvents, abi: MessageAbi, hasBatches: boolean) {
    this.#memoryAddress = memoryAddress;
    this.#paths = paths;
    this.#events = events;
    this.#abi = abi;
    this.#hasBatches = hasBatches;
    const { layout } = abi;
    this.#iovecAt = BATCH * layout.batchWords;
    this.#controlAt = this.#iovecAt + IOVECS * 2 * layout.pointer;
    this.#messages = mapAnonymous((this.#controlAt + BATCH * CONTROL_WORDS) * 4);
    this.#words = new Int32Array(this.#messages.buffer);
  }

  get isEmpty(): boolean {
    return this.#count === 0;
  }

  /** Forgets what was learnt about a descriptor that has got a new socket. */
  opened(socket: number): void {
    if (socket >= this.#first.length) this.#growSockets(socket);
    this.#cannotCut[socket] = 0;
  }

  add(socket: number, at: number, length: number, tag: number, isReply: boolean): void {
    const entry = this.#count++;
    if (entry === this.#socket.length) this.#growEntries();
    this.#socket[entry] = socket;
    this.#at[entry] = at;
    this.#length[entry] = length;
    this.#tag[entry] = tag;
    this.#isReply[entry] = isReply ? 1 : 0;
    this.#next[entry] = NOBODY;
    const last = this.#last[socket];
    this.#last[socket] = entry;
    if (last !== NOBODY) {
      this.#next[last] = entry;
      return;
    }
    this.#first[socket] = entry;
    if (this.#sockets === this.#order.length) this.#order = grown(this.#order);
    this.#order[this.#sockets++] = socket;
  }

  /** Sends everything, also what is added meanwhile by those who hear that something was not sent. */
  flush(): void {
    for (let i = 0; i < this.#sockets; i++) {
      const socket = this.#order[i];
      const first = this.#first[socket];
      this.#first[socket] = NOBODY;
      this.#last[socket] = NOBODY;
      if (!this.#events.isOpen(socket)) this.#report(first, Number.MAX_SAFE_INTEGER, -ERRNO.ECANCELED);
      else if (this.#next[first] === NOBODY && this.#isReply[first] === 0) this.#sendOne(socket, first);
      else this.#sendChain(socket, first);
    }
    this.#sockets = 0;
    this.#count = 0;
  }

  close(): void {
    unmap(this.#messages);
  }

  /** One datagram to a server: the cheapest call there is. */
  #sendOne(socket: number, entry: number): void {
    const address = this.#memoryAddress + this.#at[entry];
    if (this.#libc.send(socket, address, this.#length[entry], FLAGS) >= 0) return;
    const errno = lastErrno();
    if (errno === ERRNO.EINTR) this.#sendOne(socket, entry);
    else this.#report(entry, 1, -errno);
  }

  #sendChain(socket: number, first: number): void {
    let entry = first;
    while (entry !== NOBODY) {
      let messages = 0;
      let iovecs = 0;
      while (entry !== NOBODY && messages < BATCH && iovecs < IOVECS - MAX_SEGMENTS) {
        const run = this.#runFrom(socket, entry);
        this.#messageEntry[messages] = entry;
        this.#messageEntries[messages] = run;
        iovecs += this.#write(messages++, entry, run, iovecs);
        for (let i = 0; i < run; i++) entry = this.#next[entry];
      }
      this.#submit(socket, messages);
    }
  }

  /** How many entries from `entry` on can go as one message: of one size, but for the last, which may be shorter. */
  #runFrom(socket: number, entry: number): number {
    if (this.#abi.UDP_SEGMENT === 0 || this.#cannotCut[socket] === 1) return 1;
    const size = this.#length[entry];
    if (size === 0) return 1;
    let run = 1;
    let bytes = size;
    for (let next = this.#next[entry]; next !== NOBODY && run < MAX_SEGMENTS; next = this.#next[next]) {
      const length = this.#length[next];
      if (length > size || length === 0 || bytes + length > MAX_RUN_BYTES) break;
      if (this.#isReply[next] === 1 && this.#tag[next] !== this.#tag[entry]) break;
      run++;
      bytes += length;
      if (length < size) break;
    }
    return run < SHORTEST_RUN ? 1 : run;
  }

  /** Fills in a message; returns the iovecs it takes. */
  #write(message: number, entry: number, run: number, firstIovec: number): number {
    const { layout } = this.#abi;
    const { pointer } = layout;
    const words = this.#words;
    const at = message * layout.batchWords;
    let iovec = this.#iovecAt + firstIovec * 2 * pointer;
    setPointer(words, at + layout.iov, this.#messages.address + iovec * 4, pointer);
    let count = 0;
    let end = NOBODY;
    let each = entry;
    for (let i = 0; i < run; i++, each = this.#next[each]) {
      const place = this.#at[each];
      const length = this.#length[each];
      if (place === end) {
        // Goes on where the one before ended: datagrams that were joined when they came.
        words[iovec - pointer] += length;
      } else {
        setPointer(words, iovec, this.#memoryAddress + place, pointer);
        words[iovec + pointer] = length;
        iovec += 2 * pointer;
        count++;
      }
      end = place + length;
    }
    words[at + layout.iovCount] = count;
    const path = this.#isReply[entry] === 1 ? this.#tag[entry] : NOBODY;
    setPointer(words, at + layout.name, path === NOBODY ? 0 : this.#paths.nameAddress(path), pointer);
    words[at + layout.nameLength] = path === NOBODY ? 0 : this.#paths.nameBytes(path);
    const controlBytes = path === NOBODY ? 0 : this.#paths.controlBytes(path);
    if (run === 1) {
      setPointer(words, at + layout.control, controlBytes === 0 ? 0 : this.#paths.controlAddress(path), pointer);
      words[at + layout.controlLength] = controlBytes;
    } else {
      const control = this.#controlAt + message * CONTROL_WORDS;
      if (controlBytes > 0) this.#paths.copyControl(path, words, control);
      const bytes = controlBytes + this.#writeSegment(control + controlBytes / 4, this.#length[entry]);
      setPointer(words, at + layout.control, this.#messages.address + control * 4, pointer);
      words[at + layout.controlLength] = bytes;
    }
    return count;
  }

  /** A control message with the size to cut into, a 16-bit number; returns its bytes. */
  #writeSegment(at: number, size: number): number {
    const { control, UDP_SEGMENT } = this.#abi;
    const words = this.#words;
    for (let i = 0; i < control.data; i++) words[at + i] = 0;
    words[at] = control.data * 4 + 2;
    words[at + control.level] = SOL_UDP;
    words[at + control.type] = UDP_SEGMENT;
    words[at + control.data] = size;
    return aligned(control.data + 1, control.align) * 4;
  }

  #submit(socket: number, messages: number): void {
    const { batchWords } = this.#abi.layout;
    for (let done = 0; done < messages; ) {
      if (!this.#events.isOpen(socket)) {
        // Who heard of an error has closed it.
        this.#report(this.#messageEntry[done], this.#messageEntries[done++], -ERRNO.ECANCELED);
        continue;
      }
      const address = this.#messages.address + done * batchWords * 4;
      const sent = this.#hasBatches
        ? this.#libc.sendmmsg(socket, address, messages - done, FLAGS)
        : Math.min(1, this.#libc.sendmsg(socket, address, FLAGS) + 1);
      if (sent > 0) {
        done += sent;
        continue;
      }
      const errno = lastErrno();
      if (errno === ERRNO.EINTR) continue;
      this.#failed(socket, done++, errno);
    }
  }

  #failed(socket: number, message: number, errno: number): void {
    const entry = this.#messageEntry[message];
    const run = this.#messageEntries[message];
    if (run > 1 && (errno === ERRNO.EIO || errno === ERRNO.EINVAL || errno === ERRNO.EMSGSIZE)) {
      // That way out cannot cut up, or the pieces would not fit through it whole: each goes by itself, at the end of the queue.
      this.#cannotCut[socket] = 1;
      let each = entry;
      for (let i = 0; i < run; i++, each = this.#next[each]) {
        this.add(socket, this.#at[each], this.#length[each], this.#tag[each], this.#isReply[each] === 1);
      }
      return;
    }
    if (run > 1 && isNetworkError(-errno)) {
      // It is told once, to whoever comes first; the others have not been tried.
      this.#report(entry, 1, -errno);
      this.#report(this.#next[entry], run - 1, -ERRNO.ECANCELED);
      return;
    }
    this.#report(entry, run, -errno);
  }

  /** Tells of up to `count` entries from `entry` on. */
  #report(entry: number, count: number, error: number): void {
    for (let i = 0; i < count && entry !== NOBODY; i++) {
      const next = this.#next[entry];
      this.#events.unsent(this.#tag[entry], this.#isReply[entry] === 1, this.#at[entry], this.#length[entry], error);
      entry = next;
    }
  }

  #growEntries(): void {
    this.#socket = grown(this.#socket);
    this.#at = grown(this.#at);
    this.#length = grown(this.#length);
    this.#tag = grown(this.#tag);
    this.#next = grown(this.#next);
    const isReply = new Uint8Array(this.#isReply.length * 2);
    isReply.set(this.#isReply);
    this.#isReply = isReply;
  }

  #growSockets(socket: number): void {
    const size = 2 ** Math.ceil(Math.log2(socket + 1));
    const first = new Int32Array(size).fill(NOBODY);
    first.set(this.#first);
    this.#first = first;
    const last = new Int32Array(size).fill(NOBODY);
    last.set(this.#last);
    this.#last = last;
    const cannotCut = new Uint8Array(size);
    cannotCut.set(this.#cannotCut);
    this.#cannotCut = cannotCut;
  }
}

function grown(from: Int32Array): Int32Array<ArrayBuffer> {
  const to = new Int32Array(from.length * 2);
  to.set(from);
  return to;
}
