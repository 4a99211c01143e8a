/** A path through this process: threads that take frames, each from a ring, and decide on them with tables of their own. */
import { SystemError } from '../../sys/errno.js';
import { interfaceIndex, interfaceMtu } from '../../sys/network-interface.js';
import { closeNetmap, openNetmap } from '../../sys/open-netmap.js';
import { closePacketRing, ringDrops } from '../../sys/open-packet-ring.js';
import { openPacketRings, type SharedRings } from '../../sys/packet-fanout.js';
import { DsrError } from '../errors.js';
import type { Dimensions } from '../layout.js';
import type { Link, Path } from '../path.js';
import { RING_COUNT_NAMES, RING_COUNTS } from './frame-ring.js';
import type { OpenRing, ToRing } from './messages.js';
import { RingTables } from './ring-tables.js';
import { RingThread } from './ring-thread.js';
import { VipFilter } from './vip-filter.js';
import { WorkerLink } from './worker-link.js';

/**
 * Of ring memory, which is never swapped out, for receiving and as much for sending: no thread has more than the first,
 * all have the second, but none less than the third, which holds 20 ms of the smallest frames.
 */
const MOST_BYTES = 8 << 20;
const ALL_BYTES = 16 << 20;
const LEAST_BYTES = 2 << 20;

export interface RingPathOptions {
  readonly interfaceName: string;
  readonly size: Dimensions;
  /** That share the frames, where the kernel can spread them. */
  readonly threads: number;
  /** Why this mode, for the log. */
  readonly reason: string;
  /** 32 bits that nobody can guess. */
  random(): number;
  log(line: string): void;
  /** A thread has ended, which it must not. */
  failed(error: Error): void;
}

/** Packet rings on an interface. Throws a DsrError or a SystemError (ENODEV), leaving nothing behind. */
export function openPacketPath(options: RingPathOptions): Path {
  const { interfaceName, threads, random, log } = options;
  const index = interfaceIndex(interfaceName);
  const mtu = interfaceMtu(interfaceName);
  const bytes = Math.max(LEAST_BYTES, Math.min(MOST_BYTES, ALL_BYTES / threads));
  let shared: SharedRings;
  try {
    shared = openPacketRings({ interfaceName, mtu, receiveBytes: bytes, transmitBytes: bytes }, threads, random);
  } catch (error) {
    throw error instanceof SystemError ? explained(error, PACKET_HINTS) : error;
  }
  const { rings, shortfall } = shared;
  if (shortfall) {
    const { message } = explained(shortfall, SHARING_HINTS);
    log(`packet mode on '${interfaceName}' has ${countOf(rings.length)}, not ${threads}: ${message}`);
  }
  const parts = rings.map((ring) => ({
    open: { kind: 'packet', ring, mtu } as const,
    drops: () => ringDrops(ring),
    close: () => closePacketRing(ring),
  }));
  const reason = `${options.reason}, ${countOf(rings.length)}`;
  return new RingPath({ ...options, reason }, index, parts, new VipFilter(interfaceName, log));
}

/** The rings of a network card in netmap mode. Throws a DsrError or a SystemError (ENODEV), leaving nothing behind. */
export function openNetmapPath(options: RingPathOptions): Path {
  const { interfaceName } = options;
  const index = interfaceIndex(interfaceName);
  try {
    const port = openNetmap(interfaceName);
    return new RingPath(options, index, [
      { open: { kind: 'netmap', port }, drops: () => 0, close: () => closeNetmap(port) },
    ]);
  } catch (error) {
    throw error instanceof SystemError ? explained(error, NETMAP_HINTS) : error;
  }
}

/** A ring and what the control plane's thread has to do with it. */
interface Ring {
  readonly open: OpenRing;
  /** Frames that the kernel had no room for, since the last time. */
  drops(): number;
  close(): void;
}

class RingPath implements Path {
  readonly tables: RingTables;
  readonly mode: string;
  readonly link: Link | undefined;
  readonly modeReason: string;
  readonly #options: RingPathOptions;
  readonly #index: number;
  readonly #rings: readonly Ring[];
  readonly #threads: readonly RingThread[];
  /** None where the kernel gets no copies. */
  readonly #filter: VipFilter | undefined;
  /** Of each ring. */
  readonly #drops: number[];
  /** As it was last seen. */
  #mtu: number;
  #isClosed = false;

  constructor(options: RingPathOptions, index: number, rings: readonly Ring[], filter?: VipFilter) {
    const { size, reason, random } = options;
    const [{ open }] = rings;
    this.#options = options;
    this.#rings = rings;
    this.#filter = filter;
    this.#index = index;
    this.#drops = rings.map(() => 0);
    this.#mtu = open.kind === 'packet' ? open.mtu : 0;
    this.mode = open.kind;
    this.modeReason = reason;
    const link = open.kind === 'netmap' ? new WorkerLink((frame) => this.#post({ type: 'send', frame })) : undefined;
    this.link = link;
    const tables = new RingTables({ size, random, threads: rings.length }, (writes) => {
      filter?.giveBack(writes);
      this.#post({ type: 'write', writes });
      filter?.take();
    });
    this.tables = tables;
    const events = {
      heard: (frame: Uint8Array) => link?.heard(frame),
      ended: (cause: Error | undefined) => {
        if (!this.#isClosed) options.failed(cause ?? new DsrError('a thread that forwards packets has ended'));
      },
    };
    this.#threads = rings.map((ring, i) => {
      const memory = tables.memories[i];
      const others = tables.memories.filter((other) => other !== memory);
      return new RingThread({ open: ring.open, size: tables.size, memory, others }, events);
    });
  }

  get threads(): number {
    return this.#threads.length;
  }

  get isAttached(): boolean {
    try {
      return interfaceIndex(this.#options.interfaceName) === this.#index;
    } catch {
      return false;
    }
  }

  /** Slots are of one size for good. */
  look(): void {
    const [{ open }] = this.#rings;
    if (open.kind !== 'packet') return;
    const { interfaceName, log } = this.#options;
    const mtu = interfaceMtu(interfaceName);
    if (mtu === this.#mtu) return;
    this.#mtu = mtu;
    if (mtu === open.mtu) return;
    const what = mtu > open.mtu ? 'longer packets are cut up, or lost' : 'packets that are too long for it are lost';
    log(`'${interfaceName}' has an MTU of ${mtu} now, packet mode was made for ${open.mtu}: ${what} (start pen again)`);
  }

  /** The decision is the same for all. */
  specialise(): void {}

  /** What became of frames on their way, of all threads and, if there are several, of each. */
  describe(): readonly string[] {
    const counts = this.#threads.map((thread, i) => {
      this.#drops[i] += this.#rings[i].drops();
      const some = thread.counts();
      some[RING_COUNTS.lost] += this.#drops[i];
      return some;
    });
    const text = (count: (name: keyof typeof RING_COUNTS) => number) =>
      RING_COUNT_NAMES.map((name) => `${name} ${count(name)}`).join(' ');
    const kernel = this.#filter ? [this.#filter.describe()] : [];
    const all = text((name) => counts.reduce((sum, some) => sum + some[RING_COUNTS[name]], 0));
    if (counts.length === 1) return [`ring ${all}`, ...kernel];
    const rows = this.tables.shares().map(({ frames, flows }, i) => {
      return `ring ${i} frames ${frames} flows ${flows} ${text((name) => counts[i][RING_COUNTS[name]])}`;
    });
    return [`rings ${counts.length} ${all}`, ...rows, ...kernel];
  }

  async close(): Promise<void> {
    if (this.#isClosed) return;
    this.#isClosed = true;
    await Promise.all(this.#threads.map((thread) => thread.close()));
    for (const ring of this.#rings) ring.close();
    this.#filter?.close();
  }

  #post(message: ToRing): void {
    for (const thread of this.#threads) thread.post(message);
  }
}

function countOf(threads: number): string {
  return threads === 1 ? '1 thread' : `${threads} threads`;
}

const PACKET_HINTS: Readonly<Record<string, string>> = {
  EPERM: 'packet mode needs root or CAP_NET_RAW',
  EACCES: 'packet mode needs root or CAP_NET_RAW',
  ENOMEM: 'packet mode needs 16 MB that the kernel can spare, more with several threads',
  EAFNOSUPPORT: 'packet mode needs a kernel with CONFIG_PACKET: modprobe af_packet',
  ENOPROTOOPT: 'packet mode needs kernel 3.2',
};

/** Why threads cannot share an interface. */
const SHARING_HINTS: Readonly<Record<string, string>> = {
  EINVAL: 'before kernel 6.13 the interface must be up',
  ENOMEM: 'each thread takes 4 MB or more that the kernel can spare',
  ENOPROTOOPT: 'this kernel has no PACKET_FANOUT',
};

const NETMAP_HINTS: Readonly<Record<string, string>> = {
  ENOENT: 'no netmap here: FreeBSD has it in its kernel, device netmap; elsewhere load its module',
  EACCES: 'netmap needs root',
  EPERM: 'netmap needs root',
  ENXIO: 'netmap knows no such interface',
  ENOMEM: 'netmap has no room for its rings: sysctl dev.netmap.buf_num, dev.netmap.ring_num',
  EBUSY: 'another program has it in netmap mode',
  EINVAL: 'netmap of another version, API 14 is wanted: FreeBSD 13',
};

function explained(error: SystemError, hints: Readonly<Record<string, string>>): DsrError {
  const hint = hints[error.code];
  const message = hint === undefined ? error.message : `${error.message.replace(/ \([^)]*\)$/, '')} (${hint})`;
  return new DsrError(message, { cause: error });
}
