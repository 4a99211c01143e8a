/** What `pen transparent-setup` is to set up: plain values, with which everything else is worded. */
import type { IpEndpoint } from '../../core/address.js';

/** Packets for a port of whatever host that are handed to a pen with `transparent listen`. */
export interface Interception {
  readonly protocol: 'tcp' | 'udp';
  /** The port that clients want. */
  readonly port: number;
  /** The port on which pen listens. */
  readonly penPort: number;
}

export interface TransparentSetup {
  /** The routing table for diverted packets; on FreeBSD the number of the ipfw rules. */
  readonly table: number;
  /** The mark of diverted packets. */
  readonly mark: number;
  readonly interceptions: readonly Interception[];
  /** Only packets that come in there are intercepted. */
  readonly from: string | undefined;
  /** Needed where the rules name them (FreeBSD, OpenBSD), and for the checks. */
  readonly servers: readonly IpEndpoint[];
}

/** The mark spells "pen"; the table is "pen" on a telephone's keys: what nobody else uses by accident. */
export const defaultSetup: TransparentSetup = {
  table: 736,
  mark: 0x70656e,
  interceptions: [],
  from: undefined,
  servers: [],
};

export const FAMILIES = [4, 6] as const;
export type Family = (typeof FAMILIES)[number];

/** Who made a rule or route, as the kernel keeps it for each (rtm_protocol; 112 is free in iproute2's rt_protos). */
export const OWNER = 112;
/** Where the routing rule stands: before any that a user is likely to have. */
export const PREFERENCE = 736;

export function hex(mark: number): string {
  return `0x${mark.toString(16)}`;
}
