/**
 * struct msghdr and its company as offsets in 32-bit words, and the options and control messages of UDP: Linux
 * (<linux/socket.h>, <linux/in.h>, <linux/in6.h>, <linux/udp.h>), FreeBSD and OpenBSD (sys/socket.h, netinet/in.h,
 * netinet6/in6.h), macOS (xnu bsd/sys/socket.h, bsd/netinet/in.h, bsd/netinet6/in6.h).
 */

/** Positions and sizes in 32-bit words. A pointer is `pointer` words, the low one first: all these systems' Node is little-endian. */
export interface MessageLayout {
  readonly pointer: 1 | 2;
  /** struct msghdr. */
  readonly words: number;
  readonly name: number;
  readonly nameLength: number;
  readonly iov: number;
  readonly iovCount: number;
  readonly control: number;
  readonly controlLength: number;
  readonly flags: number;
  /** struct mmsghdr: the header, then the length of the datagram. */
  readonly batchWords: number;
  readonly batchLength: number;
}

/** struct cmsghdr: length, level, type, then data; all in words. */
export interface ControlLayout {
  readonly level: number;
  readonly type: number;
  readonly data: number;
  /** The next one begins at a multiple of that. */
  readonly align: number;
}

export interface MessageAbi {
  readonly layout: MessageLayout;
  readonly control: ControlLayout;
  /** recvmmsg(2) and sendmmsg(2) are there. */
  readonly hasBatches: boolean;
  /** The IPv4 address a datagram was sent to: as struct in_pktinfo, or a bare address where `hasPacketInfo` is false. */
  readonly hasPacketInfo: boolean;
  /** The option that asks for it, and the control message that tells it and chooses the source of an answer. */
  readonly ipOption: number;
  readonly ipControl: number;
  /** RFC 3542: the same for IPv6. */
  readonly IPV6_RECVPKTINFO: number;
  readonly IPV6_PKTINFO: number;
  /** 0 where there is no segmentation offload. */
  readonly UDP_SEGMENT: number;
  readonly UDP_GRO: number;
  readonly MSG_TRUNC: number;
  readonly SO_RCVBUF: number;
  readonly SO_SNDBUF: number;
  /** As SO_RCVBUF, beyond net.core.rmem_max, for who may (CAP_NET_ADMIN); 0 where there is none. */
  readonly SO_RCVBUFFORCE: number;
  /** Counts of a socket's memory, of which the ninth tells what was dropped (<linux/sock_diag.h>); 0 where there is none. */
  readonly SO_MEMINFO: number;
}

const linux64: MessageLayout = {
  pointer: 2,
  words: 14,
  name: 0,
  nameLength: 2,
  iov: 4,
  iovCount: 6,
  control: 8,
  controlLength: 10,
  flags: 12,
  batchWords: 16,
  batchLength: 14,
};

const linux32: MessageLayout = {
  pointer: 1,
  words: 7,
  name: 0,
  nameLength: 1,
  iov: 2,
  iovCount: 3,
  control: 4,
  controlLength: 5,
  flags: 6,
  batchWords: 8,
  batchLength: 7,
};

/** msg_iovlen and msg_controllen are 32 bits wide; FreeBSD's mmsghdr ends with a ssize_t, OpenBSD's with an unsigned int and padding. */
const bsd64: MessageLayout = {
  pointer: 2,
  words: 12,
  name: 0,
  nameLength: 2,
  iov: 4,
  iovCount: 6,
  control: 8,
  controlLength: 10,
  flags: 11,
  batchWords: 14,
  batchLength: 12,
};

const linux = {
  hasBatches: true,
  hasPacketInfo: true,
  ipOption: 8,
  ipControl: 8,
  IPV6_RECVPKTINFO: 49,
  IPV6_PKTINFO: 50,
  UDP_SEGMENT: 103,
  UDP_GRO: 104,
  MSG_TRUNC: 0x20,
  SO_RCVBUF: 8,
  SO_SNDBUF: 7,
  SO_RCVBUFFORCE: 33,
  SO_MEMINFO: 55,
} as const;

const bsd = {
  layout: bsd64,
  control: { level: 1, type: 2, data: 4, align: 2 },
  hasBatches: true,
  hasPacketInfo: false,
  // IP_RECVDSTADDR, whose message is IP_SENDSRCADDR when sent.
  ipOption: 7,
  ipControl: 7,
  IPV6_RECVPKTINFO: 36,
  IPV6_PKTINFO: 46,
  UDP_SEGMENT: 0,
  UDP_GRO: 0,
  MSG_TRUNC: 0x10,
  SO_RCVBUF: 0x1002,
  SO_SNDBUF: 0x1001,
  SO_RCVBUFFORCE: 0,
  SO_MEMINFO: 0,
} as const;

export const MESSAGE_ABIS = {
  linux: { ...linux, layout: linux64, control: { level: 2, type: 3, data: 4, align: 2 } },
  /** Linux on 32-bit processors. */
  linux32: { ...linux, layout: linux32, control: { level: 1, type: 2, data: 3, align: 1 } },
  freebsd: bsd,
  openbsd: bsd,
  // Its recvmsg_x(2) is private; control messages are aligned to four bytes.
  darwin: {
    ...bsd,
    control: { level: 1, type: 2, data: 3, align: 1 },
    hasBatches: false,
    hasPacketInfo: true,
    // IP_PKTINFO serves as option and message.
    ipOption: 26,
    ipControl: 26,
    IPV6_RECVPKTINFO: 61,
    IPV6_PKTINFO: 46,
  },
} as const satisfies Record<string, MessageAbi>;

const WORD_SIZES_32: readonly string[] = ['arm', 'ia32'];

export const messageAbi: MessageAbi = abiOf(process.platform, process.arch);

/** This system's; Linux's where the system is none of these, which then has no use for it. */
export function abiOf(platform: string, arch: string): MessageAbi {
  const key = platform === 'linux' && WORD_SIZES_32.includes(arch) ? 'linux32' : platform;
  return key in MESSAGE_ABIS ? MESSAGE_ABIS[key as keyof typeof MESSAGE_ABIS] : MESSAGE_ABIS.linux;
}

export const SOCK_DGRAM = 2;
export const SOL_UDP = 17;

/** The largest payload of a datagram over IPv4: 65,535 less 20 and 8 (RFC 768, RFC 791). Over IPv6 it is 20 bytes more. */
export const MAX_DATAGRAM = 65_527;
/** Segments of one send with UDP_SEGMENT (UDP_MAX_SEGMENTS in <linux/udp.h>; newer kernels take 128). */
export const MAX_SEGMENTS = 64;
