/**
 * Constants of sockets, from each system's <sys/socket.h>, <netinet/in.h>, <netinet/tcp.h> and <sys/un.h>:
 * Linux (asm-generic/socket.h), FreeBSD (sys/sys/socket.h, sys/netinet6/in6.h), OpenBSD (the same paths),
 * macOS (xnu bsd/sys/socket.h, bsd/netinet6/in6.h).
 */

/** A socket option's level and number. */
export interface SocketOption {
  readonly level: number;
  readonly option: number;
}

/** What differs between the systems. */
export interface SocketAbi {
  /** struct sockaddr begins with its length (8 bits) and has 8 bits for the family: 4.4BSD's form. */
  readonly hasLength: boolean;
  /** SOCK_CLOEXEC and SOCK_NONBLOCK may be given to socket(2), and accept4(2) exists; else ours, done by fcntl(2). */
  readonly hasTypeFlags: boolean;
  readonly AF_INET6: number;
  readonly SOCK_CLOEXEC: number;
  readonly SOCK_NONBLOCK: number;
  readonly SOL_SOCKET: number;
  readonly SO_REUSEADDR: number;
  /** Spreads clients over the listeners of a port (FreeBSD calls that SO_REUSEPORT_LB). */
  readonly SO_REUSEPORT: number;
  readonly SO_KEEPALIVE: number;
  readonly SO_LINGER: number;
  readonly SO_ERROR: number;
  /** 0 where there is none. */
  readonly IP_BIND_ADDRESS_NO_PORT: number;
  readonly IPV6_V6ONLY: number;
  readonly IPV6_JOIN_GROUP: number;
  readonly IPV6_LEAVE_GROUP: number;
  readonly MSG_WAITALL: number;
  readonly MSG_DONTWAIT: number;
  readonly MSG_NOSIGNAL: number;
  /** sizeof(sun_path). */
  readonly UNIX_PATH_MAX: number;
  /** From <fcntl.h>. */
  readonly F_DUPFD_CLOEXEC: number;
  /** The ioctl that tells the bytes in a send queue (Linux <linux/sockios.h>, FreeBSD FIONWRITE in <sys/filio.h>), 0 = none. */
  readonly SIOCOUTQ: number;
  /**
   * Lets a socket have a local address that is not this host's, by the family of the socket: Linux IP_TRANSPARENT and
   * IPV6_TRANSPARENT (<linux/in.h>, <linux/in6.h>), FreeBSD IP_BINDANY and IPV6_BINDANY (<netinet/in.h>,
   * <netinet6/in6.h>), OpenBSD SO_BINDANY (<sys/socket.h>, both families); undefined where there is none.
   */
  readonly transparent: { readonly ip4: SocketOption; readonly ip6: SocketOption } | undefined;
}

const bsd = {
  hasLength: true,
  hasTypeFlags: true,
  SOL_SOCKET: 0xffff,
  SO_REUSEADDR: 0x0004,
  SO_REUSEPORT: 0x0200,
  SO_KEEPALIVE: 0x0008,
  SO_LINGER: 0x0080,
  SO_ERROR: 0x1007,
  IP_BIND_ADDRESS_NO_PORT: 0,
  IPV6_V6ONLY: 27,
  IPV6_JOIN_GROUP: 12,
  IPV6_LEAVE_GROUP: 13,
  MSG_WAITALL: 0x40,
  MSG_DONTWAIT: 0x80,
  UNIX_PATH_MAX: 104,
  SIOCOUTQ: 0,
  transparent: undefined,
} as const;

export const SOCKET_ABIS = {
  linux: {
    hasLength: false,
    hasTypeFlags: true,
    AF_INET6: 10,
    SOCK_CLOEXEC: 0o2000000,
    SOCK_NONBLOCK: 0o4000,
    SOL_SOCKET: 1,
    SO_REUSEADDR: 2,
    SO_REUSEPORT: 15,
    SO_KEEPALIVE: 9,
    SO_LINGER: 13,
    SO_ERROR: 4,
    IP_BIND_ADDRESS_NO_PORT: 24,
    IPV6_V6ONLY: 26,
    IPV6_JOIN_GROUP: 20,
    IPV6_LEAVE_GROUP: 21,
    MSG_WAITALL: 0x100,
    MSG_DONTWAIT: 0x40,
    MSG_NOSIGNAL: 0x4000,
    UNIX_PATH_MAX: 108,
    F_DUPFD_CLOEXEC: 1030,
    SIOCOUTQ: 0x5411,
    transparent: { ip4: { level: 0, option: 19 }, ip6: { level: 41, option: 75 } },
  },
  freebsd: {
    ...bsd,
    AF_INET6: 28,
    SOCK_CLOEXEC: 0x10000000,
    SOCK_NONBLOCK: 0x20000000,
    SO_REUSEPORT: 0x10000,
    MSG_NOSIGNAL: 0x20000,
    F_DUPFD_CLOEXEC: 17,
    SIOCOUTQ: 0x40046677,
    transparent: { ip4: { level: 0, option: 24 }, ip6: { level: 41, option: 64 } },
  },
  openbsd: {
    ...bsd,
    AF_INET6: 24,
    SOCK_CLOEXEC: 0x8000,
    SOCK_NONBLOCK: 0x4000,
    MSG_NOSIGNAL: 0x400,
    F_DUPFD_CLOEXEC: 10,
    transparent: { ip4: { level: 0xffff, option: 0x1000 }, ip6: { level: 0xffff, option: 0x1000 } },
  },
  // Darwin has no type flags; these two are out of the way of its types.
  darwin: {
    ...bsd,
    hasTypeFlags: false,
    AF_INET6: 30,
    SOCK_CLOEXEC: 0x8000,
    SOCK_NONBLOCK: 0x4000,
    MSG_NOSIGNAL: 0x80000,
    F_DUPFD_CLOEXEC: 67,
  },
} as const satisfies Record<string, SocketAbi>;

/** This system's; Linux's where the system is none of the four, which then has no use for it. */
export const socketAbi: SocketAbi =
  process.platform in SOCKET_ABIS ? SOCKET_ABIS[process.platform as keyof typeof SOCKET_ABIS] : SOCKET_ABIS.linux;

export const {
  AF_INET6,
  SOCK_CLOEXEC,
  SOCK_NONBLOCK,
  SOL_SOCKET,
  SO_REUSEADDR,
  SO_REUSEPORT,
  SO_KEEPALIVE,
  SO_LINGER,
  SO_ERROR,
  IP_BIND_ADDRESS_NO_PORT,
  IPV6_V6ONLY,
  IPV6_JOIN_GROUP,
  IPV6_LEAVE_GROUP,
  MSG_WAITALL,
  MSG_DONTWAIT,
  MSG_NOSIGNAL,
  UNIX_PATH_MAX,
  F_DUPFD_CLOEXEC,
  SIOCOUTQ,
} = socketAbi;

// The same everywhere.
export const AF_UNIX = 1;
export const AF_INET = 2;
export const SOCK_STREAM = 1;
export const SOCK_DGRAM = 2;
export const IPPROTO_IP = 0;
export const IPPROTO_TCP = 6;
export const IPPROTO_IPV6 = 41;
export const TCP_NODELAY = 1;
export const SHUT_WR = 1;
export const SHUT_RDWR = 2;
/** sizeof(struct sockaddr_storage) on Linux: room for any address that we use. */
export const SOCKADDR_STORAGE_BYTES = 128;

/** From <sys/eventfd.h> of Linux. */
export const EFD_CLOEXEC = 0o2000000;
export const EFD_NONBLOCK = 0o4000;
