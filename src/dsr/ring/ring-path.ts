/** A path through this process: a thread that takes frames from a ring and decides on them with tables of its own. */
import { readFileSync } from 'node:fs';
import { Worker } from 'node:worker_threads';
import { SystemError } from '../../sys/errno.js';
import { libc } from '../../sys/libc.js';
import { interfaceIndex, interfaceMtu } from '../../sys/network-interface.js';
import { closePacketRing, type OpenPacketRing, openPacketRing, ringDrops } from '../../sys/open-packet-ring.js';
import { createWakeDescriptor, writeWake } from '../../sys/wake.js';
import { DsrError } from '../errors.js';
import type { Dimensions } from '../layout.js';
import type { Path } from '../path.js';
import { RING_COUNT_NAMES, RING_COUNTS } from './frame-ring.js';
import type { RingStart, ToRing } from './messages.js';
import { RingTables } from './ring-tables.js';

/** Of ring memory: tens of milliseconds of the smallest frames. */
const RECEIVE_BYTES = 8 << 20;
const TRANSMIT_BYTES = 8 << 20;

export interface RingPathOptions {
  readonly interfaceName: string;
  readonly size: Dimensions;
  /** Why this mode, for the log. */
  readonly reason: string;
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
    throw error instanceof SystemError ? explained(error) : error;
  }
  for (const line of forwardingLines(interfaceName)) options.log(line);
  return new RingPath(options, ring, { index, mtu });
}

class RingPath implements Path {
  readonly tables: RingTables;
  readonly mode = 'packet';
  readonly modeReason: string;
  readonly #options: RingPathOptions;
  readonly #index: number;
  readonly #ring: OpenPacketRing;
  readonly #wake: number;
  readonly #worker: Worker;
  readonly #ended: Promise<void>;
  readonly #counts = new SharedArrayBuffer(RING_COUNT_NAMES.length * 8);
  #drops = 0;
  #isClosed = false;

  constructor(options: RingPathOptions, ring: OpenPacketRing, { index, mtu }: { index: number; mtu: number }) {
    const { size, reason } = options;
    this.#options = options;
    this.#ring = ring;
    this.#index = index;
    this.modeReason = reason;
    this.#wake = createWakeDescriptor();
    this.tables = new RingTables(size, (writes) => this.#post({ type: 'write', writes }));
    const { memory } = this.tables;
    const workerData: RingStart = { ring, mtu, wake: this.#wake, size, memory, counts: this.#counts };
    this.#worker = new Worker(new URL('./worker.js', import.meta.url), { workerData, name: 'pen-ring' });
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

  /** The decision is the same for all. */
  specialise(): void {}

  describe(): readonly string[] {
    this.#drops += ringDrops(this.#ring);
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
    closePacketRing(this.#ring);
    libc().close(this.#wake);
  }

  #post(message: ToRing): void {
    this.#worker.postMessage(message);
    writeWake(this.#wake);
  }
}

const HINTS: Readonly<Record<string, string>> = {
  EPERM: 'packet mode needs root or CAP_NET_RAW',
  EACCES: 'packet mode needs root or CAP_NET_RAW',
  ENOMEM: 'packet mode needs 16 MB that the kernel can spare',
  EAFNOSUPPORT: 'packet mode needs a kernel with CONFIG_PACKET: modprobe af_packet',
  ENOPROTOOPT: 'packet mode needs kernel 3.2',
};

function explained(error: SystemError): DsrError {
  const hint = HINTS[error.code];
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
