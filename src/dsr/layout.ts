/**
 * What the packet path and its controller share: the maps, the fields of their keys and values, and the constants.
 * The one definition: the XDP program takes field offsets from here, the decision in TypeScript and the controller
 * read and write the same bytes. Fields copied from packets (addresses, ports) are in network byte order, so that the
 * program moves them as they are; all others are in host order, which is little-endian wherever Pen runs.
 *
 * Addresses are 16 bytes always, IPv4 in its mapped form ::ffff:a.b.c.d, as in `core/address.ts`.
 */

/** Fields of a structure, in order; each stands at the offset that follows from those before it. */
export interface Struct<Field extends string> {
  readonly bytes: number;
  /** Where each field begins. */
  readonly at: Readonly<Record<Field, number>>;
  readonly size: Readonly<Record<Field, number>>;
}

/** A structure without gaps; throws if a field of 2, 4 or 8 bytes would not be aligned. */
export function struct<Field extends string>(fields: Readonly<Record<Field, number>>): Struct<Field> {
  const at: Record<string, number> = {};
  let bytes = 0;
  for (const [name, size] of Object.entries<number>(fields)) {
    if ((size === 2 || size === 4 || size === 8) && bytes % size !== 0) {
      throw new Error(`struct: field '${name}' of ${size} bytes at offset ${bytes} is not aligned`);
    }
    at[name] = bytes;
    bytes += size;
  }
  return { bytes, at: at as Record<Field, number>, size: fields };
}

const ADDRESS = 16;
const MAC = 6;

/**
 * Which packets are a VIP's. Three kinds of entry: (address, port, protocol) is a service; (address, 0, protocol) is
 * there for each protocol served and says where packets without a port go (the later fragments of a datagram), and
 * with ANY_PORT it is a service for every port; (address, 0, 0) is there for each VIP address.
 */
export const vipKey = struct({ address: ADDRESS, portBe: 2, protocol: 1, family: 1 });
/** `acl` is the bit of the list that clients must be permitted by, 0 = no list. */
export const vipValue = struct({ index: 4, flags: 4, acl: 4, reserved: 4 });

/** `prefixBits` counts the 32 bits of the family too, as the trie sees them as the address's first. */
export const aclKey = struct({ prefixBits: 4, family: 4, address: ADDRESS });
/** Bit n: list n permits what has this as its longest prefix. */
export const aclValue = struct({ permitted: 4 });

export const flowKey = struct({ client: ADDRESS, vip: 4, clientPortBe: 2, vipPortBe: 2 });
/** The flow stays with `real` for as long as that serves and has the same generation. */
export const flowValue = struct({ real: 4, generation: 4 });

/** `id` and, of IPv4, the protocol are those of the datagram (RFC 791 3.2, RFC 8200 4.5); `protocol` is 0 for IPv6. */
export const fragmentKey = struct({
  client: ADDRESS,
  vip: ADDRESS,
  id: 4,
  protocol: 1,
  family: 1,
  reserved: 2,
});
export const fragmentValue = struct({ real: 4, generation: 4, vip: 4, epoch: 4 });

/** `generation` is another one whenever the number is given to another server. */
export const realValue = struct({ mac: MAC, state: 2, generation: 4, reserved: 4, address: ADDRESS });

/** For reals and for VIPs: frames and bytes sent on, flows begun or moved to it. */
export const trafficValue = struct({ packets: 8, bytes: 8, flows: 8 });

/** The only entry of `control`. */
export const controlValue = struct({ mac: MAC, reserved: 2, seed: 4, epoch: 4 });

/** Flags of a VIP. */
export const VIP_ANY_PORT = 1;
/** Ports go into the hash: a client's flows spread (-r). */
export const VIP_HASH_PORTS = 2;

/** States of a real: it is there and answers; it is given new flows. */
export const REAL_SERVES = 1;
export const REAL_TAKES_NEW = 2;

/** Real 0 is nobody, so that an empty slot or entry names no server; server slot n is real n + 1. */
export const NO_REAL = 0;
export const EMERGENCY_REAL = 0xfffe;
export const ABUSE_REAL = 0xffff;
export const REALS = 0x10000;

/** A datagram's fragments are remembered for this many turns of `control.epoch`. */
export const FRAGMENT_EPOCHS = 2;
/** Milliseconds of an epoch: a datagram lasts 30 to 45 s, as long as a Linux server waits for its fragments. */
export const EPOCH_MS = 15_000;

/** IPv6 extension headers that are walked; a packet with more is dropped. */
export const MAX_EXTENSIONS = 4;
/** Bytes of a neighbour solicitation: its fixed part, and the options that are summed up. */
export const NS_BYTES = 24;
export const MAX_NS_BYTES = NS_BYTES + 64;

/** How a frame ended; each counts in exactly one. The number is the index in `outcomes`. */
export const OUTCOME = {
  /** Not IP, not to our MAC address, too short to tell. */
  passOther: 0,
  passNotVip: 1,
  /** To the server that the flow has. */
  txFlow: 2,
  /** To a server chosen for a new flow. */
  txNew: 3,
  /** To a server chosen because the flow's own is gone. */
  txMoved: 4,
  /** To the server that has the datagram's other fragments. */
  txFragment: 5,
  /** An ICMP error, to the server that has the flow it is about. */
  txIcmp: 6,
  /** A client that the ACL denies, to the abuse server. */
  txAbuse: 7,
  txArp: 8,
  txNdp: 9,
  txEcho: 10,
  dropMalformed: 11,
  /** To the VIP, but to no port or protocol that is served. */
  dropNoService: 12,
  dropDenied: 13,
  dropNoServer: 14,
  /** More IPv6 extension headers than are walked. */
  dropExtensions: 15,
  /** ICMP to the VIP that is neither an echo request nor an error about a flow. */
  dropIcmp: 16,
} as const;

export type OutcomeName = keyof typeof OUTCOME;
export type Outcome = (typeof OUTCOME)[OutcomeName];

/** By number. */
export const OUTCOME_NAMES = Object.keys(OUTCOME) as readonly OutcomeName[];
export const OUTCOMES = OUTCOME_NAMES.length;

/** XDP actions, <linux/bpf.h> enum xdp_action. */
export const XDP_DROP = 1;
export const XDP_PASS = 2;
export const XDP_TX = 3;
export type Verdict = typeof XDP_DROP | typeof XDP_PASS | typeof XDP_TX;

export function verdictOf(outcome: Outcome): Verdict {
  if (outcome <= OUTCOME.passNotVip) return XDP_PASS;
  return outcome <= OUTCOME.txEcho ? XDP_TX : XDP_DROP;
}

/** How large the maps are and what the program is made for; fixed while it runs. */
export interface Dimensions {
  /** VIPs (services) that there can be. */
  readonly vips: number;
  /** Slots of each VIP's Maglev table, a prime. */
  readonly slots: number;
  readonly flows: number;
  readonly fragments: number;
}

export const defaultDimensions: Dimensions = { vips: 16, slots: 65_537, flows: 262_144, fragments: 16_384 };

/** What the generated program must be able to do; what is off leaves no code. */
export interface ProgramOptions {
  readonly ipv4: boolean;
  readonly ipv6: boolean;
  readonly vlan: boolean;
  readonly acl: boolean;
  readonly slots: number;
}

export type MapType = 'hash' | 'lruHash' | 'lpmTrie' | 'array' | 'perCpuArray';

export interface MapLayout {
  readonly type: MapType;
  readonly keyBytes: number;
  readonly valueBytes: number;
  readonly maxEntries: number;
}

/** Entries of `acl`: every prefix of every list, and what a mask with holes in it stands for. */
export const MAX_ACL_PREFIXES = 65_536;

export type MapName =
  | 'vips'
  | 'acl'
  | 'flows'
  | 'fragments'
  | 'reals'
  | 'slots'
  | 'outcomes'
  | 'realTraffic'
  | 'vipTraffic'
  | 'control';

/** The maps for these dimensions. `slots` holds a table of 16-bit reals per VIP; its values are padded to 8 bytes. */
export function mapLayouts(size: Dimensions): Record<MapName, MapLayout> {
  const array = (valueBytes: number, maxEntries: number): MapLayout => ({
    type: 'array',
    keyBytes: 4,
    valueBytes,
    maxEntries,
  });
  const perCpu = (valueBytes: number, maxEntries: number): MapLayout => ({
    ...array(valueBytes, maxEntries),
    type: 'perCpuArray',
  });
  const keyed = (type: MapType, key: Struct<string>, value: Struct<string>, maxEntries: number): MapLayout => ({
    type,
    keyBytes: key.bytes,
    valueBytes: value.bytes,
    maxEntries,
  });
  return {
    // A service has up to three entries.
    vips: keyed('hash', vipKey, vipValue, size.vips * 3),
    acl: keyed('lpmTrie', aclKey, aclValue, MAX_ACL_PREFIXES),
    flows: keyed('lruHash', flowKey, flowValue, size.flows),
    fragments: keyed('lruHash', fragmentKey, fragmentValue, size.fragments),
    reals: array(realValue.bytes, REALS),
    slots: array(slotTableBytes(size.slots), size.vips),
    outcomes: perCpu(8, OUTCOMES),
    realTraffic: perCpu(trafficValue.bytes, REALS),
    vipTraffic: perCpu(trafficValue.bytes, size.vips),
    control: array(controlValue.bytes, 1),
  };
}

/** Bytes of one VIP's Maglev table. */
export function slotTableBytes(slots: number): number {
  return Math.ceil((slots * 2) / 8) * 8;
}
