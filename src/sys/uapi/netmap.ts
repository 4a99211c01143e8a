/**
 * netmap, from FreeBSD's <net/netmap.h> (API 14, FreeBSD 13 and later) on 64-bit systems: what lies in the memory that
 * is shared with the kernel, and the request that a port is opened with.
 */
export const NETMAP_API = 14;
export const NETMAP_DEVICE = '/dev/netmap';

/** _IOWR('i', 151, struct nmreq_header): the same number on FreeBSD (<sys/ioccom.h>) and Linux. */
export const NIOCCTRL = 0xc0586997;

/** struct nmreq_header: version, type, (reserved), name of 64 bytes, options, pointer to the body. */
export const NMREQ_HEADER = { version: 0, type: 2, name: 8, options: 72, body: 80, bytes: 88 } as const;
export const NETMAP_REQ_REGISTER = 1;
/** struct nmreq_register, of which the kernel fills in the first two. */
export const NMREQ_REGISTER = { offset: 0, memoryBytes: 8, mode: 36, flags: 48, bytes: 56 } as const;
/** All rings of the network card, and those of the host. */
export const NR_REG_NIC_SW = 3;

/**
 * struct netmap_if; behind it the offsets of all rings from its beginning, 64 bits each: transmit rings of the card, of
 * the host, then receive rings of the card, of the host.
 */
export const NETMAP_IF = {
  transmitRings: 24,
  receiveRings: 28,
  hostTransmitRings: 36,
  hostReceiveRings: 40,
  rings: 56,
} as const;

/** struct netmap_ring; its slots begin behind a room of 128 bytes that is aligned to 128. */
export const NETMAP_RING = {
  /** 64 bits: where buffer 0 lies, from the ring's beginning. */
  buffersAt: 0,
  slots: 8,
  bufferBytes: 12,
  head: 20,
  cur: 24,
  tail: 28,
  slot: 256,
} as const;

/** struct netmap_slot. */
export const NETMAP_SLOT = { buffer: 0, length: 4, flags: 6, bytes: 16 } as const;
/** The slot has another buffer now. */
export const NS_BUF_CHANGED = 0x0001;
/** The frame goes on in the next slot. */
export const NS_MOREFRAG = 0x0020;
