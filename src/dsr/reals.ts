/**
 * From the server table to the data plane's: which reals there are, which of them take new flows, and the Maglev table
 * over those. Pure; what is written are only differences from what was written before.
 *
 * The order matters, as frames meet the tables half written: a server is in `reals` before a slot names it, and is
 * taken out only when none does any more.
 */
import { type Endpoint, formatIp, type IpWords } from '../core/address.js';
import { type Configuration, MAX_SERVERS, type ServerSpec } from '../core/configuration.js';
import { maglevTable } from '../core/selection/maglev.js';
import { ABUSE_REAL, EMERGENCY_REAL, REAL_SERVES, REAL_TAKES_NEW } from './layout.js';
import { type Real, realValueOf } from './record.js';
import type { ControlTables } from './tables.js';

/** Servers that the table may have here: real numbers have 16 bits, three of which are not theirs. */
export const MAX_REALS = Math.min(MAX_SERVERS, EMERGENCY_REAL - 1);

/** What else than the configuration decides. */
export interface Standing {
  isBlacklisted(slot: number): boolean;
  /** An operator has it take no new flow. */
  isDraining(slot: number): boolean;
  /** The MAC address of a server that answers, undefined of one that does not. */
  macOf(address: IpWords): Uint8Array | undefined;
}

export type RealState = 'in service' | 'draining' | 'blacklisted' | 'silent' | 'no server';

interface Written {
  readonly address: string;
  readonly generation: number;
  readonly bytes: string;
}

interface Wanted {
  readonly real: number;
  readonly address: IpWords;
  readonly mac: Uint8Array;
  readonly state: number;
}

const NO_MAC = new Uint8Array(6);

export class Reals {
  readonly #tables: ControlTables;
  readonly #slots: number;
  readonly #written = new Map<number, Written>();
  #members = '';
  /** The Maglev table that is written. */
  #table = new Uint16Array(0);
  #generation = 0;

  /** `slots`: size of a Maglev table. */
  constructor(tables: ControlTables, slots: number) {
    this.#tables = tables;
    this.#slots = slots;
  }

  /** Goes on from what an earlier process decided: a server that keeps its number keeps its generation, and its flows. */
  inherit(records: Iterable<readonly [real: number, record: Real]>): void {
    for (const [real, { address, generation }] of records) {
      this.#written.set(real, { address: formatIp(address), generation, bytes: '' });
      this.#generation = Math.max(this.#generation, generation);
    }
  }

  get table(): Uint16Array {
    return this.#table;
  }

  /** Writes what has changed. `vips`: the services that these servers serve. True if anything had. */
  apply(configuration: Configuration, standing: Standing, vips: readonly number[]): boolean {
    const wanted = wantedReals(configuration, standing);
    let changed = false;
    for (const real of wanted) changed = this.#write(real, true) || changed;
    changed = this.#writeSlots(membersOf(configuration, standing), vips) || changed;
    for (const real of wanted) changed = this.#write(real, false) || changed;
    const kept = new Set(wanted.map(({ real }) => real));
    for (const real of this.#written.keys()) {
      if (kept.has(real)) continue;
      this.#tables.setReal(real, realValueOf({ mac: NO_MAC, state: 0, generation: 0, vip: 0, address: [0, 0, 0, 0] }));
      this.#written.delete(real);
      changed = true;
    }
    return changed;
  }

  /** Writes a record that has changed; in the first pass only if it takes nothing away. */
  #write({ real, address, mac, state }: Wanted, isFirst: boolean): boolean {
    const before = this.#written.get(real);
    const text = formatIp(address);
    const isSame = before?.address === text;
    const generation = isSame ? before.generation : ++this.#generation;
    const value = realValueOf({ mac, state, generation, vip: 0, address });
    const bytes = Buffer.from(value).toString('latin1');
    if (before?.bytes === bytes) return false;
    if (isFirst && state === 0) {
      if (!isSame) this.#generation--;
      return false;
    }
    this.#tables.setReal(real, value);
    this.#written.set(real, { address: text, generation, bytes });
    return true;
  }

  #writeSlots(members: readonly Member[], vips: readonly number[]): boolean {
    const text = `${vips.join()}\n${members.map(({ name, weight, real }) => `${name} ${weight} ${real}`).join('\n')}`;
    if (text === this.#members) return false;
    this.#members = text;
    const table = maglevTable(members, this.#slots);
    this.#table = table.length === 0 ? new Uint16Array(this.#slots) : table.map((member) => members[member].real);
    for (const vip of vips) this.#tables.setSlots(vip, this.#table);
    return true;
  }
}

/** How a server stands, in words. */
export function stateOf(configuration: Configuration, slot: number, standing: Standing): RealState {
  const address = addressOf(configuration.servers[slot]?.endpoint);
  if (!address) return 'no server';
  if (standing.macOf(address) === undefined) return 'silent';
  if (standing.isBlacklisted(slot)) return 'blacklisted';
  return weightOf(configuration, slot) > 0 && !standing.isDraining(slot) ? 'in service' : 'draining';
}

/** The address of a server, whatever its port; undefined for an empty row. */
export function addressOf(endpoint: Endpoint | undefined): IpWords | undefined {
  return endpoint?.kind === 'ip' ? endpoint.address : undefined;
}

/**
 * The share of a server. Weights count as soon as one server has one, and with `weight`: then 0 takes nothing new.
 * With `prio`, only the lowest number does that has somebody (the caller's to see to).
 */
export function weightOf({ servers, settings }: Configuration, slot: number): number {
  const counts = settings.weight || servers.some(({ weight }) => weight > 0);
  return counts ? servers[slot].weight : 1;
}

interface Member {
  readonly name: string;
  readonly weight: number;
  readonly real: number;
}

/** Who stands in the Maglev table, in order of address, so that balancers with the same servers agree. */
function membersOf(configuration: Configuration, standing: Standing): Member[] {
  const { servers, settings, emergency } = configuration;
  const able = [...servers.keys()].filter((slot) => {
    if (addressOf(servers[slot].endpoint) === undefined || weightOf(configuration, slot) === 0) return false;
    if (standing.isDraining(slot)) return false;
    // `stubborn` is to have the server of its hash or none.
    return settings.stubborn || stateOf(configuration, slot, standing) === 'in service';
  });
  const lowest = Math.min(...able.map((slot) => servers[slot].prio));
  const chosen = settings.prio ? able.filter((slot) => servers[slot].prio === lowest) : able;
  const members = chosen.map((slot) => ({
    name: formatIp(addressOf(servers[slot].endpoint) as IpWords),
    weight: weightOf(configuration, slot),
    real: slot + 1,
  }));
  if (members.length === 0 && addressOf(emergency?.endpoint))
    return [{ name: 'emergency', weight: 1, real: EMERGENCY_REAL }];
  members.sort((a, b) => (a.name < b.name ? -1 : a.name > b.name ? 1 : a.real - b.real));
  const seen = new Map<string, number>();
  return members.map((member) => {
    const times = (seen.get(member.name) ?? 0) + 1;
    seen.set(member.name, times);
    return times === 1 ? member : { ...member, name: `${member.name} ${times}` };
  });
}

function wantedReals(configuration: Configuration, standing: Standing): Wanted[] {
  const wanted: Wanted[] = [];
  const add = (real: number, spec: ServerSpec | undefined, takesNew: boolean) => {
    const address = addressOf(spec?.endpoint);
    if (!address) return;
    const mac = standing.macOf(address);
    const state = mac === undefined ? 0 : REAL_SERVES | (takesNew ? REAL_TAKES_NEW : 0);
    wanted.push({ real, address, mac: mac ?? NO_MAC, state });
  };
  for (const [slot, spec] of configuration.servers.entries()) {
    add(slot + 1, spec, stateOf(configuration, slot, standing) === 'in service');
  }
  add(EMERGENCY_REAL, configuration.emergency, true);
  add(ABUSE_REAL, configuration.abuse, true);
  return wanted;
}
