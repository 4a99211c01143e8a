/** A path through this process: a thread that takes frames from a ring and decides on them with tables of its own. */
import { readFileSync } from 'node:fs';
import { Worker } from 'node:worker_threads';
import { SystemError } from '../../sys/errno.js';
import { libc } from '../../sys/libc.js';
import { interfaceIndex, interfaceMtu } from '../../sys/network-interface.js';
import { closeNetmap, openNetmap } from '../../sys/open-netmap.js';
import { closePacketRing, type OpenPacketRing, openPacketRing, ringDrops } from '../../sys/open-packet-ring.js';
import { createWakePair, type WakePair, writeWake } from '../../sys/wake.js';
import { DsrError } from '../errors.js';
import type { Dimensions } from '../layout.js';
import type { Link, Path } from '../path.js';
import { RING_COUNT_NAMES, RING_COUNTS } from './frame-ring.js';
import type { FromRing, OpenRing, RingStart, ToRing } from './messages.js';
import { RingTables } from './ring-tables.js';
import { WorkerLink } from './worker-link.js';

/** Of ring memory: tens of milliseconds of the smallest frames. */
const RECEIVE_BYTES = 8 << 20;
const TRANSMIT_BYTES = 8 << 20;

export interface RingPathOptions {
  readonly interfaceName: string;
  readonly size: Dimensions;
  /** Why this mode, for the log. */
  readonly reason: string;
  /** 32 bits that nobody can guess. */
  random(): number;
  log(line: string): void;
  /** The thread has ended, which it must not. */
  failed(error: Error): void;
}

/** Packet rings on an interface. Throws a DsrError or a SystemError (ENODEV), leaving nothing behind. */
export function openPacketPath(options: RingPathOptions): Path {
  const { interfaceName } = options;
  const index = interfaceIndex(interfaceName);
  const mtu = interfaceMtu(interfaceName);
  let ring: OpenPacketRing;
  try {
    ring = openPacketRing({ interfaceName, mtu, receiveBytes: RECEIVE_BYTES, transmitBytes: TRANSMIT_BYTES });
  } catch (error) {
    throw error instanceof SystemError ? explained(error, PACKET_HINTS) : error;
  }
  for (const line of forwardingLines(interfaceName)) options.log(line);
  return new RingPath(options, index, {
    open: { kind: 'packet', ring, mtu },
    drops: () => ringDrops(ring),
    close: () => closePacketRing(ring),
  });
}

/** The rings of a network card in netmap mode. Throws a DsrError or a SystemError (ENODEV), leaving nothing behind. */
export function openNetmapPath(options: RingPathOptions): Path {
  const { interfaceName } = options;
  const index = interfaceIndex(interfaceName);
  try {
    const port = openNetmap(interfaceName);
    return new RingPath(options, index, {
      open: { kind: 'netmap', port },
      drops: () => 0,
      close: () => closeNetmap(port),
    });
  } catch (error) {
    throw error instanceof SystemError ? explained(error, NETMAP_HINTS) : error;
  }
}

/** A ring and what the control plane's thread has to do with it. */
interface Rings {
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
  readonly #rings: Rings;
  readonly #wake: WakePair = createWakePair();
  readonly #worker: Worker;
  readonly #ended: Promise<void>;
  readonly #counts = new SharedArrayBuffer(RING_COUNT_NAMES.length * 8);
  #drops = 0;
  /** As it was last seen. */
  #mtu: number;
  #isClosed = false;

  constructor(options: RingPathOptions, index: number, rings: Rings) {
    const { size, reason } = options;
    const { open } = rings;
    this.#options = options;
    this.#rings = rings;
    this.#index = index;
    this.#mtu = open.kind === 'packet' ? open.mtu : 0;
    this.mode = open.kind;
    this.modeReason = reason;
    const link = open.kind === 'netmap' ? new WorkerLink((frame) => this.#post({ type: 'send', frame })) : undefined;
    this.link = link;
    this.tables = new RingTables(size, options.random, (writes) => this.#post({ type: 'write', writes }));
    const { memory } = this.tables;
    const workerData: RingStart = { open, wake: this.#wake.reads, size, memory, counts: this.#counts };
    this.#worker = new Worker(new URL('./worker.js', import.meta.url), { workerData, name: 'pen-ring' });
    this.#worker.on('message', ({ frame }: FromRing) => link?.heard(frame));
    let cause: Error | undefined;
    this.#worker.on('error', (error: Error) => {
      cause = error;
    });
    this.#ended = new Promise((resolve) => {
      this.#worker.on('exit', () => {
        if (!this.#isClosed) options.failed(cause ?? new DsrError('the thread that forwards packets has ended'));
        resolve();
      });
    });
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
    const { open } = this.#rings;
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

  describe(): readonly string[] {
    this.#drops += this.#rings.drops();
    const counts = new Float64Array(this.#counts);
    const parts = RING_COUNT_NAMES.map((name) => {
      const drops = name === 'lost' ? this.#drops : 0;
      return `${name} ${counts[RING_COUNTS[name]] + drops}`;
    });
    return [`ring ${parts.join(' ')}`];
  }

  async close(): Promise<void> {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#post({ type: 'stop' });
    await this.#ended;
    this.#rings.close();
    for (const end of new Set([this.#wake.reads, this.#wake.writes])) libc().close(end);
  }

  #post(message: ToRing): void {
    this.#worker.postMessage(message);
    writeWake(this.#wake.writes);
  }
}

const PACKET_HINTS: Readonly<Record<string, string>> = {
  EPERM: 'packet mode needs root or CAP_NET_RAW',
  EACCES: 'packet mode needs root or CAP_NET_RAW',
  ENOMEM: 'packet mode needs 16 MB that the kernel can spare',
  EAFNOSUPPORT: 'packet mode needs a kernel with CONFIG_PACKET: modprobe af_packet',
  ENOPROTOOPT: 'packet mode needs kernel 3.2',
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

/** The kernel sees the VIPs' frames too, and drops them, as it has not their addresses; unless it is a router. */
function forwardingLines(interfaceName: string): string[] {
  return (['ipv4', 'ipv6'] as const).flatMap((family) => {
    const name = `net.${family}.conf.${interfaceName}.forwarding`;
    let value = '';
    try {
      value = readFileSync(`/proc/sys/net/${family}/conf/${interfaceName}/forwarding`, 'latin1');
    } catch {
      // Without that family there is nothing to be forwarded.
    }
    if (value.trim() !== '1') return [];
    return [
      `'${interfaceName}' forwards ${family === 'ipv4' ? 'IPv4' : 'IPv6'}: in packet mode the kernel sees packets for the VIP, too, and would send redirects and errors to clients (sysctl -w ${name}=0)`,
    ];
  });
}
