/**
 * Packet rings that share the frames of an interface (PACKET_FANOUT_HASH, packet(7); Linux): each frame comes to one of
 * them, all frames of a flow to the same one. What has no ports (fragments, all parts of a datagram) goes by its
 * addresses, so it may come to another ring than the rest of its flow; so do ICMP errors, and after the interface was
 * down flows may have changed rings.
 */
import { ERRNO, SystemError } from './errno.js';
import { check, lastErrno, libc } from './libc.js';
import { mapAnonymous, unmap } from './memory.js';
import { closePacketRing, type OpenPacketRing, openPacketRing, type PacketRingOptions } from './open-packet-ring.js';
import { detachFilter, NOTHING } from './socket-filter.js';
import {
  PACKET_FANOUT,
  PACKET_FANOUT_FLAG_IGNORE_OUTGOING,
  PACKET_FANOUT_FLAG_UNIQUEID,
  PACKET_FANOUT_HASH,
  SOL_PACKET,
} from './uapi/packet.js';

/** Numbers are drawn so often, where the kernel draws none. */
const ATTEMPTS = 16;

export interface SharedRings {
  /** At least one. */
  readonly rings: readonly OpenPacketRing[];
  /** Why there are fewer than were asked for. */
  readonly shortfall: SystemError | undefined;
}

/** `count` rings, or as many as the kernel has memory for; one alone where it knows no groups. Throws a SystemError if not even that. */
export function openPacketRings(options: PacketRingOptions, count: number, random: () => number): SharedRings {
  if (count === 1) return { rings: [openPacketRing(options)], shortfall: undefined };
  const rings: OpenPacketRing[] = [];
  let shortfall: SystemError | undefined;
  try {
    // Until all are in the group each would get every frame.
    while (rings.length < count && shortfall === undefined) {
      try {
        rings.push(openPacketRing({ ...options, filter: NOTHING }));
      } catch (error) {
        if (rings.length === 0 || !(error instanceof SystemError) || error.errno !== ERRNO.ENOMEM) throw error;
        shortfall = error;
      }
    }
    if (rings.length > 1) shortfall = joinGroup(rings, random) ?? shortfall;
    for (const { receives } of rings) detachFilter(receives);
    return { rings, shortfall };
  } catch (error) {
    for (const ring of rings) closePacketRing(ring);
    throw error;
  }
}

/** All in one group that nobody else is in; the first alone and the reason if that is not to be had. */
function joinGroup(rings: OpenPacketRing[], random: () => number): SystemError | undefined {
  try {
    const group = foundGroup(rings[0], random);
    for (const { receives, interfaceName } of rings.slice(1)) join(receives, group, interfaceName);
    return undefined;
  } catch (error) {
    if (!(error instanceof SystemError)) throw error;
    for (const ring of rings.splice(1)) closePacketRing(ring);
    return error;
  }
}

/** Makes the group of a ring's socket, and returns what others join it by. */
function foundGroup({ receives, interfaceName }: OpenPacketRing, random: () => number): number {
  // Kernels before 6.2 ignore the second flag; the ring looks at each frame anyway.
  const options = PACKET_FANOUT_HASH | PACKET_FANOUT_FLAG_IGNORE_OUTGOING;
  try {
    join(receives, (options | PACKET_FANOUT_FLAG_UNIQUEID) << 16, interfaceName);
  } catch (error) {
    if (!(error instanceof SystemError) || error.errno !== ERRNO.EINVAL) throw error;
    // Before 4.12 that is group 0, which is another program's.
    joinAny(receives, options, { interfaceName, random });
  }
  return groupOf(receives);
}

function joinAny(
  fd: number,
  options: number,
  { interfaceName, random }: { readonly interfaceName: string; readonly random: () => number },
): void {
  for (let left = ATTEMPTS; ; left--) {
    try {
      join(fd, (options << 16) | (random() & 0xffff), interfaceName);
      return;
    } catch (error) {
      if (left === 1) throw error;
    }
  }
}

/** `group`: number in the lower half, kind and flags in the upper. */
function join(fd: number, group: number, interfaceName: string): void {
  const memory = mapAnonymous(4096);
  try {
    new Int32Array(memory.buffer)[0] = group;
    if (libc().setsockopt(fd, SOL_PACKET, PACKET_FANOUT, memory.address, 4) < 0)
      throw new SystemError('share the frames of', lastErrno(), interfaceName);
  } finally {
    unmap(memory);
  }
}

/** As it stands in the kernel, with the number that was drawn. */
export function groupOf(fd: number): number {
  const memory = mapAnonymous(4096);
  try {
    const words = new Int32Array(memory.buffer);
    words[4] = 4;
    const { address } = memory;
    check(libc().getsockopt(fd, SOL_PACKET, PACKET_FANOUT, address, address + 16), 'getsockopt');
    return words[0];
  } finally {
    unmap(memory);
  }
}
