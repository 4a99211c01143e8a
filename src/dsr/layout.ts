/**
 * What the packet path and its controller share: the maps, the fields of their keys and values, and the constants.
 * The one definition: the XDP program takes field offsets from here, the decision in TypeScript and the controller
 * read and write the same bytes. Fields copied from packets (addresses, ports) are in network byte order, so that the
 * program moves them as they are; all others are in host order, which is little-endian wherever Pen runs.
 *
 * Addresses are 16 bytes always, IPv4 in its mapped form ::ffff:a.b.c.d, as in `core/address.ts`.
 */

import { bytes, padding, type Struct, struct, u8, u16, u16be, u32, u64 } from '../bpf/struct.js';

const address = bytes(16);
const mac = bytes(6);

/**
 * Which packets are a VIP's. Three kinds of entry: (address, port, protocol) is a service; (address, 0, protocol) is
 * there for each protocol served and says where packets without a port go (the later fragments of a datagram), and
 * with ANY_PORT it is a service for every port; (address, 0, 0) is there for each VIP address.
 *
 * Where a prefix is the VIP, its entries have its number in `prefixes` in place of an address, and PREFIX in `family`;
 * (prefix, 0, 0) is not there, as `prefixes` says that already. An address with entries of its own is no prefix's.
 */
export const vipKey = struct('key of vips', { address, portBe: u16be, protocol: u8, family: u8 });
/** `acl` is the bit of the list that clients must be permitted by, 0 = no list. */
export const vipValue = struct('value of vips', { index: u32, flags: u32, acl: u32, reserved: padding(4) });

/** Added to the family of keys in `vips` that are a prefix's. */
export const VIP_PREFIX = 0x80;

/** What `prefixBits` counts of the family, which the trie sees as the address's first bits. */
export const FAMILY_BITS = 32;
/** `prefixBits` of one address. */
export const WHOLE_PREFIX: number = FAMILY_BITS + 128;

/** The value is one of `vips`, its index being the number of the prefix. */
export const prefixKey = struct('key of prefixes', { prefixBits: u32, family: u32, address });

/** Of each VIP, by index: how many slots its Maglev table has, and on which page of `slots` it begins. */
export const serviceValue = struct('value of services', { slots: u32, page: u32 });
/** A value of `slots` is a page of so many 16-bit reals. A table begins on a page of its own. */
export const PAGE_SLOTS = 1024;
export const PAGE_BYTES = PAGE_SLOTS * 2;

export const aclKey = struct('key of acl', { prefixBits: u32, family: u32, address });
/** Bit n: list n permits what has this as its longest prefix. */
export const aclValue = struct('value of acl', { permitted: u32 });

export const flowKey = struct('key of flows', { client: address, vip: u32, clientPortBe: u16be, vipPortBe: u16be });
/** The flow stays with `real` for as long as that serves and has the same generation. */
export const flowValue = struct('value of flows', { real: u32, generation: u32 });

/** `id` and, of IPv4, the protocol are those of the datagram (RFC 791 3.2, RFC 8200 4.5); `protocol` is 0 for IPv6. */
export const fragmentKey = struct('key of fragments', {
  client: address,
  vip: address,
  id: u32,
  protocol: u8,
  family: u8,
  reserved: padding(2),
});
export const fragmentValue = struct('value of fragments', { real: u32, generation: u32, vip: u32, epoch: u32 });

/**
 * A server of a VIP: of several VIPs it is several reals, so that each may drain or drop it. `generation` is another
 * one whenever the number is given to another server. For whoever adopts the maps, `vip` and `address` say whose it is.
 *
 * With an `encap` (ENCAP of `frame/tunnel.ts`) it gets its packets in a tunnel to `address`, of the family `outer` (4 or
 * 6); `mac` is then the router's on the way, and a packet of more than `innerMtu` bytes does not fit.
 */
export const realValue = struct('value of reals', {
  mac,
  state: u16,
  generation: u32,
  innerMtu: u16,
  encap: u8,
  outer: u8,
  address,
  vip: u32,
  end: padding(4),
});

/** For reals and for VIPs: frames and bytes sent on, flows begun or moved to it. */
export const trafficValue = struct('traffic', { packets: u64, bytes: u64, flows: u64 });

/**
 * The only entry of `control`. `sourceV4` and `sourceV6` are where tunnels begin; `answers` is how many "too big"
 * messages a CPU may send in a window.
 */
export const controlValue = struct('value of control', {
  mac,
  reserved: padding(2),
  seed: u32,
  epoch: u32,
  sourceV6: address,
  sourceV4: bytes(4),
  answers: u32,
  /** 1: some addresses are tarpitted, and this is the key of the hash. */
  tarpit: u32,
  tarpitKey0: u32,
  tarpitKey1: u32,
  /** The latest that a real was given: the next process goes on from there, lest one be given twice. */
  generation: u32,
});

/** The only entry of `answers`: how many have been sent in which window, by each CPU. */
export const answersValue = struct('value of answers', { window: u32, used: u32 });
/** A window's length in nanoseconds is two to the power of this: 134 ms. */
export const ANSWER_WINDOW_BITS = 27;
/** 950 a second, a little less than Linux allows itself (icmp_msgs_per_sec). */
export const ANSWERS_PER_WINDOW = 128;

/** Flags of a VIP. */
export const VIP_ANY_PORT = 1;
/** Ports go into the hash: a client's flows spread (-r). */
export const VIP_HASH_PORTS = 2;

/** Who asks for the VIP's MAC address gets no answer from here: another balancer, or this host's kernel, has it. */
export const VIP_SILENT = 4;

/** States of a real: it is there and answers; it is given new flows. */
export const REAL_SERVES = 1;
export const REAL_TAKES_NEW = 2;

/** Real 0 is nobody, so that an empty slot or entry names no server. */
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
  /** Did not fit into the tunnel to its server, which the client is told. */
  txTooBig: 11,
  /** A SYN to a tarpitted address, which is connected. */
  txTarpit: 12,
  /** Of a connection to such an address: it is told to wait. */
  txTarpitHold: 13,
  txTarpitArp: 14,
  txTarpitNdp: 15,
  dropMalformed: 16,
  /** To the VIP, but to no port or protocol that is served. */
  dropNoService: 17,
  dropDenied: 18,
  dropNoServer: 19,
  /** More IPv6 extension headers than are walked. */
  dropExtensions: 20,
  /** ICMP to the VIP that is neither an echo request nor an error about a flow. */
  dropIcmp: 21,
  /** Did not fit into the tunnel to its server, and nobody could or should be told. */
  dropTooBig: 22,
  /** To a tarpitted address, and nothing to answer. */
  dropTarpit: 23,
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

/** Outcomes are numbered by verdict: pass, transmit, drop. */
export const LAST_PASS = OUTCOME.passNotVip;
export const LAST_TX = OUTCOME.txTarpitNdp;

export function verdictOf(outcome: Outcome): Verdict {
  if (outcome <= LAST_PASS) return XDP_PASS;
  return outcome <= LAST_TX ? XDP_TX : XDP_DROP;
}

/** How large the maps are and what the program is made for; fixed while it runs. */
export interface Dimensions {
  /** VIPs (services) that there can be. */
  readonly vips: number;
  /** Of PAGE_SLOTS, for the Maglev tables of all of them; the first is nobody's. */
  readonly pages: number;
  readonly flows: number;
  readonly fragments: number;
}

export const defaultDimensions: Dimensions = { vips: 4096, pages: 2048, flows: 262_144, fragments: 16_384 };

/** What the generated program must be able to do; what is off leaves no code. */
export interface ProgramOptions {
  readonly ipv4: boolean;
  readonly ipv6: boolean;
  readonly vlan: boolean;
  readonly acl: boolean;
  /** VIPs may be prefixes. */
  readonly prefixes: boolean;
  /** Some server is reached through a tunnel. */
  readonly tunnels: boolean;
  /** Some addresses are tarpitted. */
  readonly tarpit: boolean;
}

export type MapType = 'hash' | 'lruHash' | 'lpmTrie' | 'array' | 'perCpuArray';

export interface MapLayout {
  readonly type: MapType;
  readonly keyBytes: number;
  readonly valueBytes: number;
  readonly maxEntries: number;
}

/** The list of tarpitted addresses in `acl`: a number that no list of an operator has. */
export const TARPIT_LIST = 30;

/** Entries of `acl` that are in force at most: every prefix of every list, and what a mask with holes in it stands for. */
export const MAX_ACL_PREFIXES = 65_536;

export type MapName =
  | 'vips'
  | 'prefixes'
  | 'services'
  | 'acl'
  | 'flows'
  | 'fragments'
  | 'reals'
  | 'slots'
  | 'outcomes'
  | 'answers'
  | 'realTraffic'
  | 'vipTraffic'
  | 'control';

type Sized = Pick<Struct, 'bytes'>;

/** The maps that packets write. A balancer that takes over from an earlier one keeps them, all others it fills anew. */
export const CARRIED = ['flows', 'fragments', 'outcomes', 'realTraffic', 'vipTraffic'] as const;

/** The maps for these dimensions. */
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
  const keyed = (type: MapType, key: Sized, value: Sized, maxEntries: number): MapLayout => ({
    type,
    keyBytes: key.bytes,
    valueBytes: value.bytes,
    maxEntries,
  });
  return {
    // A service has up to three entries; while LISTEN moves there are those of its old address, too.
    vips: keyed('hash', vipKey, vipValue, (size.vips + 1) * 3),
    prefixes: keyed('lpmTrie', prefixKey, vipValue, size.vips),
    services: array(serviceValue.bytes, size.vips),
    // The lists in force, and those before them until no VIP asks for them any more; what is not used takes no memory.
    acl: keyed('lpmTrie', aclKey, aclValue, 2 * MAX_ACL_PREFIXES),
    flows: keyed('lruHash', flowKey, flowValue, size.flows),
    fragments: keyed('lruHash', fragmentKey, fragmentValue, size.fragments),
    reals: array(realValue.bytes, REALS),
    slots: array(PAGE_BYTES, size.pages),
    outcomes: perCpu(8, OUTCOMES),
    answers: perCpu(answersValue.bytes, 1),
    realTraffic: perCpu(trafficValue.bytes, REALS),
    vipTraffic: perCpu(trafficValue.bytes, size.vips),
    control: array(controlValue.bytes, 1),
  };
}
