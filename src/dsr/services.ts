/** What is asked for, as services: LISTEN with the server table, and each `dsr_vip` with servers of its own. Pure. */
import type { Endpoint, IpEndpoint, IpWords } from '../core/address.js';
import type { Configuration, Encap, ServerSpec } from '../core/configuration.js';
import { maglevSize } from '../core/selection/maglev.js';
import { ADDRESS_BITS, type Vip, type VipSpec, vipName } from '../core/vip.js';
import { PAGE_SLOTS } from './layout.js';
import type { Target } from './reach.js';

/** A server of a service. */
export interface MemberSpec {
  /** Its row in the server table, -1 if it has none. */
  readonly slot: number;
  readonly address: IpWords;
  readonly weight: number;
  readonly prio: number;
  readonly encap: Encap;
}

export interface ServiceSpec {
  readonly vip: Vip;
  readonly hashesPorts: boolean;
  /** Size of its Maglev table. */
  readonly slots: number;
  readonly members: readonly MemberSpec[];
}

/**
 * Sizes of the tables of `dsr_vip`, primes: a table has 100 slots or more for each server, so that shares are right to
 * a per cent, and hundreds of services take little memory. Another size moves the service's new flows.
 */
const SMALL_SIZES = [1_009, 10_007];
const SLOTS_EACH = 100;

/** LISTEN as a VIP. */
export function listenVip({ address, port }: IpEndpoint, udp: boolean): Vip {
  return { address, bits: ADDRESS_BITS, port, protocol: udp ? 'udp' : 'tcp' };
}

/** The table of LISTEN has `slots` slots for good. */
export function listenService(vip: Vip, slots: number, configuration: Configuration): ServiceSpec {
  const { servers, settings } = configuration;
  const members = servers.flatMap((spec, slot): MemberSpec[] => {
    const address = addressOf(spec.endpoint);
    return address
      ? [{ slot, address, weight: weightOf(configuration, slot), prio: spec.prio, encap: spec.encap }]
      : [];
  });
  return { vip, hashesPorts: settings.roundRobin, slots, members };
}

export function vipService(spec: VipSpec, roundRobin: boolean): ServiceSpec {
  const members = spec.servers.map(({ address, weight, encap }) => ({ slot: -1, address, weight, prio: 0, encap }));
  return { vip: spec, hashesPorts: spec.roundRobin ?? roundRobin, slots: slotsFor(members.length), members };
}

/** Slots for so many servers of a `dsr_vip`. */
export function slotsFor(servers: number): number {
  return SMALL_SIZES.find((size) => size >= servers * SLOTS_EACH) ?? maglevSize(servers);
}

/** Pages that the tables of all services take, that of LISTEN having `slots`. */
export function pagesFor({ vips }: Configuration, slots: number): number {
  const pages = (count: number) => Math.ceil(count / PAGE_SLOTS);
  return vips.reduce((sum, { servers }) => sum + pages(slotsFor(servers.length)), pages(slots));
}

/** The address of a server, whatever its port; undefined for an empty row. */
export function addressOf(endpoint: Endpoint | undefined): IpWords | undefined {
  return endpoint?.kind === 'ip' ? endpoint.address : undefined;
}

/** Where a server is and how it is reached; undefined for an empty row. */
export function targetOf(spec: ServerSpec | undefined): Target | undefined {
  const address = addressOf(spec?.endpoint);
  return address && spec && { address, encap: spec.encap };
}

/** Whether some server is behind a tunnel. */
export function usesTunnels({ servers, emergency, abuse, vips }: Configuration): boolean {
  return (
    [...servers, emergency, abuse].some((spec) => targetOf(spec) !== undefined && spec?.encap !== 'none') ||
    vips.some((vip) => vip.servers.some(({ encap }) => encap !== 'none'))
  );
}

/** `192.0.2.80:80 tcp`, every port as `*`. */
export function formatService(vip: Vip): string {
  if (vip.port !== 0) return vipName(vip);
  const [address, protocol] = vipName(vip).split(' ');
  return `${address.includes(':') ? `[${address}]` : address}:* ${protocol}`;
}

/** The share of a row. Weights count as soon as one server has one, and with `weight`: then 0 takes nothing new. */
function weightOf({ servers, settings }: Configuration, slot: number): number {
  const counts = settings.weight || servers.some(({ weight }) => weight > 0);
  return counts ? servers[slot].weight : 1;
}
