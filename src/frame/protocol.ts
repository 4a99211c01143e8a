/** What IP carries: numbers of the IANA protocol registry, and a built payload that an IP header is put before. */
export const PROTOCOL = {
  hopByHop: 0,
  icmp: 1,
  /** A whole IPv4 packet (RFC 2003). */
  ipip: 4,
  tcp: 6,
  udp: 17,
  /** A whole IPv6 packet (RFC 4213, RFC 2473). */
  ipv6: 41,
  routing: 43,
  fragment: 44,
  authentication: 51,
  icmpv6: 58,
  none: 59,
  destinationOptions: 60,
} as const;

/** The payload of a packet. Where it has a checksum, the IP builder fills it in, as only that knows the addresses. */
export interface Transport {
  readonly protocol: number;
  readonly bytes: Uint8Array;
  /** Offset of the checksum (zero so far) in `bytes`; undefined if there is none to be made. */
  readonly checksumAt?: number;
}
