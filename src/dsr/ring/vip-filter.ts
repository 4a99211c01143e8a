/**
 * Has the kernel leave the VIPs' frames to Pen (vip-rules.ts), which it sees as well as the packet sockets do: it would find
 * that it has not the address, which costs, and if it forwards send redirects and errors to clients. The table is this
 * process's and goes with it, by whatever kind of death. Where it is not to be had, or not any more, the kernel sees them
 * as before. It follows what is written to the path's tables, so it drops nothing but what the path takes.
 */
import { readFileSync } from 'node:fs';
import { SystemError } from '../../sys/errno.js';
import { addKeys, NftSocket, removeKeys } from '../../sys/nf-tables.js';
import type { Write } from './ring-tables.js';
import { type VipPrefix, VipPrefixes } from './vip-prefixes.js';
import { emptyTable, leaveDiscovery, lengthOf, setOf, tableName } from './vip-rules.js';

/** In one message, and commit: of IPv6 that is 28 KB. */
const MOST_KEYS = 1000;

type Named = readonly [name: string, prefix: VipPrefix];

export class VipFilter {
  readonly #interfaceName: string;
  readonly #log: (line: string) => void;
  readonly #wanted = new VipPrefixes();
  /** As the kernel has them. */
  readonly #written = new Map<string, VipPrefix>();
  /** Names of the sets that are there. */
  readonly #sets = new Set<string>();
  #leavesDiscovery = false;
  /** Whether what was last given back is about VIPs. */
  #isOther = false;
  #socket: NftSocket | undefined;
  #table = '';
  /** Why the kernel sees all, or some. */
  #reason = '';

  /** Says so if the kernel forwards and cannot be kept from it. */
  constructor(interfaceName: string, log: (line: string) => void) {
    this.#interfaceName = interfaceName;
    this.#log = log;
    try {
      this.#socket = new NftSocket();
      this.#table = tableName(interfaceName, this.#socket.id);
      this.#socket.commit(emptyTable(this.#table, interfaceName));
    } catch (error) {
      this.#giveUp(error);
      for (const line of forwardingLines(interfaceName, this.#reason)) log(line);
    }
  }

  /** These are about to be written: the kernel gets back what the path will not take any more. */
  giveBack(writes: readonly Write[]): void {
    this.#isOther = this.#wanted.apply(writes);
    if (!this.#isOther || this.#socket === undefined) return;
    const gone = [...this.#written].filter(([name]) => !this.#wanted.all.has(name));
    try {
      if (this.#wanted.areSilent) this.#leaveDiscovery(this.#socket, true);
      for (const [set, some] of bySet(gone)) {
        this.#socket.commit([removeKeys({ table: this.#table, name: set }, some.map(addressOf))]);
        for (const [name] of some) this.#written.delete(name);
      }
    } catch (error) {
      // Else it would be nobody's.
      this.#giveUp(error);
      this.#log(`the kernel sees packets for the VIPs on '${this.#interfaceName}', too, from now on: ${this.#reason}`);
      for (const line of forwardingLines(this.#interfaceName, this.#reason)) this.#log(line);
    }
  }

  /** They are written: the kernel leaves alone what the path takes now. */
  take(): void {
    if (!this.#isOther || this.#socket === undefined) return;
    const { all, areSilent } = this.#wanted;
    const added = [...all].filter(([name]) => !this.#written.has(name));
    this.#reason = '';
    try {
      for (const [set, some] of bySet(added)) {
        const [[, first]] = some;
        const made = this.#sets.has(set) ? [] : lengthOf(this.#table, first);
        this.#socket.commit([...made, addKeys({ table: this.#table, name: set }, some.map(addressOf))]);
        this.#sets.add(set);
        for (const [name, prefix] of some) this.#written.set(name, prefix);
      }
      if (!areSilent) this.#leaveDiscovery(this.#socket, false);
    } catch (error) {
      const reason = reasonOf(error);
      const missing = all.size - this.#written.size;
      // Discovery alone is no matter: the kernel answers for no address that it has not.
      if (missing === 0) return;
      this.#reason = reason;
      this.#log(
        `the kernel sees packets for ${missing} of ${all.size} VIPs on '${this.#interfaceName}', too: ${reason}`,
      );
    }
  }

  /** A line for `penctl dsr`. */
  describe(): string {
    const because = this.#reason === '' ? '' : `: ${this.#reason}`;
    if (this.#socket === undefined) return `kernel sees packets for the VIPs, too${because}`;
    return `kernel leaves ${this.#written.size} of ${this.#wanted.all.size} VIP addresses to pen${because}`;
  }

  close(): void {
    this.#socket?.close();
    this.#socket = undefined;
  }

  #leaveDiscovery(socket: NftSocket, isLeft: boolean): void {
    if (isLeft === this.#leavesDiscovery) return;
    socket.commit([leaveDiscovery(this.#table, isLeft)]);
    this.#leavesDiscovery = isLeft;
  }

  #giveUp(error: unknown): void {
    this.close();
    this.#written.clear();
    this.#reason = reasonOf(error);
  }
}

/** Those that go into one message. */
function bySet(prefixes: readonly Named[]): [set: string, some: Named[]][] {
  const pieces: [string, Named[]][] = [];
  const open = new Map<string, Named[]>();
  for (const named of prefixes) {
    const set = setOf(named[1]);
    let some = open.get(set);
    if (some === undefined || some.length === MOST_KEYS) {
      some = [];
      open.set(set, some);
      pieces.push([set, some]);
    }
    some.push(named);
  }
  return pieces;
}

function addressOf([, { address }]: Named): Uint8Array {
  return address;
}

const NO_NFTABLES = 'this kernel has no nftables for it (CONFIG_NF_TABLES_NETDEV)';

const HINTS: Readonly<Record<string, string>> = {
  EPERM: 'that takes CAP_NET_ADMIN, which -u gives up',
  EINVAL: 'that takes kernel 5.12',
  EOPNOTSUPP: NO_NFTABLES,
  ENOENT: NO_NFTABLES,
  EAFNOSUPPORT: NO_NFTABLES,
  EPROTONOSUPPORT: NO_NFTABLES,
};

/** Throws what is no error of the system's. */
function reasonOf(error: unknown): string {
  if (!(error instanceof SystemError)) throw error;
  const { code } = error;
  return HINTS[code] === undefined ? code : `${code}, ${HINTS[code]}`;
}

/** A kernel that forwards does not drop what it has not the address of. */
function forwardingLines(interfaceName: string, reason: string): string[] {
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
      `'${interfaceName}' forwards ${family === 'ipv4' ? 'IPv4' : 'IPv6'}: in packet mode the kernel sees packets for the VIP, too, and would send redirects and errors to clients; pen cannot keep it from that: ${reason} (sysctl -w ${name}=0)`,
    ];
  });
}
