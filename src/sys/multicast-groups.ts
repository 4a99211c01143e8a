/**
 * Groups of IPv6 that come in at an interface though no address of this host asks for them. Whoever has not joined a
 * group hears nothing of it: the network card lets in only what was joined, and a switch (MLD snooping, RFC 4541) sends it
 * only to where it was. The kernel joins for as long as the sockets are open.
 */
import { check, libc } from './libc.js';
import { type Mapping, mapAnonymous, unmap } from './memory.js';
import { interfaceIndex } from './network-interface.js';
import * as packet from './uapi/packet.js';
import { AF_INET6, IPPROTO_IPV6, IPV6_JOIN_GROUP, IPV6_LEAVE_GROUP, SOCK_CLOEXEC, SOCK_DGRAM } from './uapi/socket.js';

/** Of one socket, whose memory for options ends at 20 KB in kernels before 6.9 (net.core.optmem_max). */
const GROUPS_EACH = 128;
/** struct ipv6_mreq: the group, the interface's index. */
const MREQ = { group: 0, index: 16, bytes: 20 } as const;

export class MulticastGroups {
  readonly #index: number;
  readonly #memory: Mapping = mapAnonymous(4096);
  /** Unbound, so nothing is ever received by them; and what each has joined. */
  readonly #members: { readonly fd: number; readonly groups: Set<string> }[] = [];
  readonly #joined = new Map<string, { readonly fd: number; readonly groups: Set<string> }>();
  /** Has the network card let in all groups; opened at once, as that takes rights which may be given up. */
  readonly #everything: number;
  #isEverything = false;
  #isClosed = false;

  /** Throws a SystemError: ENODEV, on Linux EPERM. */
  constructor(interfaceName: string) {
    this.#index = interfaceIndex(interfaceName);
    this.#everything =
      process.platform === 'linux'
        ? check(
            libc().socket(packet.AF_PACKET, packet.SOCK_RAW | SOCK_CLOEXEC, 0),
            'open a packet socket on',
            interfaceName,
          )
        : -1;
  }

  /** Joins and leaves so that it is these, of 16 bytes each. What is refused (no IPv6 there yet) is tried the next time. */
  set(groups: readonly Uint8Array[]): void {
    const wanted = new Map(groups.map((group) => [Buffer.from(group).toString('latin1'), group]));
    for (const [name, member] of this.#joined) {
      if (wanted.has(name)) continue;
      this.#ask(member.fd, IPV6_LEAVE_GROUP, Buffer.from(name, 'latin1'));
      member.groups.delete(name);
      this.#joined.delete(name);
    }
    for (const [name, group] of wanted) {
      if (this.#joined.has(name)) continue;
      const member = this.#withRoom();
      if (member === undefined || !this.#ask(member.fd, IPV6_JOIN_GROUP, group)) return;
      member.groups.add(name);
      this.#joined.set(name, member);
    }
  }

  /** Whether the network card is to let in all groups there are, where they cannot be named. A switch knows nothing of it. */
  hearEverything(isWanted: boolean): void {
    if (isWanted === this.#isEverything || this.#everything < 0) return;
    const view = new DataView(this.#memory.buffer);
    view.setInt32(packet.PACKET_MREQ.index, this.#index, true);
    view.setUint16(packet.PACKET_MREQ.type, packet.PACKET_MR_ALLMULTI, true);
    const option = isWanted ? packet.PACKET_ADD_MEMBERSHIP : packet.PACKET_DROP_MEMBERSHIP;
    const { address } = this.#memory;
    const set = libc().setsockopt(this.#everything, packet.SOL_PACKET, option, address, packet.PACKET_MREQ.bytes);
    if (set === 0) this.#isEverything = isWanted;
  }

  /** Leaves them all. */
  close(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    if (this.#everything >= 0) libc().close(this.#everything);
    for (const { fd } of this.#members) libc().close(fd);
    unmap(this.#memory);
  }

  /** A socket that may join one more; undefined where there is no IPv6. */
  #withRoom() {
    const found = this.#members.find(({ groups }) => groups.size < GROUPS_EACH);
    if (found) return found;
    const fd = libc().socket(AF_INET6, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (fd < 0) return undefined;
    const made = { fd, groups: new Set<string>() };
    this.#members.push(made);
    return made;
  }

  #ask(fd: number, option: number, group: Uint8Array): boolean {
    new Uint8Array(this.#memory.buffer).set(group, MREQ.group);
    new DataView(this.#memory.buffer).setUint32(MREQ.index, this.#index, true);
    return libc().setsockopt(fd, IPPROTO_IPV6, option, this.#memory.address, MREQ.bytes) === 0;
  }
}
