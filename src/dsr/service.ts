/**
 * A VIP and its servers, as the tables have them: which reals there are, which of them take new flows, and the Maglev
 * table over those. What is written are only differences from what was written before.
 *
 * The order matters, as frames meet the tables half written: a server is in `reals` before a slot names it, and is
 * taken out only when none does any more.
 */
import { formatIp } from '../core/address.js';
import { maglevTable } from '../core/selection/maglev.js';
import type { Vip } from '../core/vip.js';
import { EMERGENCY_REAL, REAL_SERVES, REAL_TAKES_NEW } from './layout.js';
import { type Reached, targetName } from './reach.js';
import type { Reals } from './reals.js';
import { realValueOf } from './record.js';
import type { MemberSpec, ServiceSpec } from './services.js';
import type { ControlTables } from './tables.js';

/** What else than the specification decides. */
export interface Standing {
  readonly stubborn: boolean;
  readonly prio: boolean;
  /** Whether there is a server for when no other is. */
  readonly hasEmergency: boolean;
  /** By row. */
  isBlacklisted(slot: number): boolean;
  /** Whether the operator has it drain; by row. */
  isDraining(slot: number): boolean;
  /** How a server is reached that answers, undefined of one that does not; the same value while nothing changes. */
  reach(name: string): Reached | undefined;
}

export type MemberState = 'in-service' | 'draining' | 'blacklisted' | 'silent';

/** A server of the service. */
export interface Member extends MemberSpec {
  /** What it is known by to those who ask it. */
  readonly name: string;
  /** What it is called in the Maglev table, on every balancer. */
  readonly title: string;
  readonly real: number;
  readonly generation: number;
}

/** What stands in `reals`. */
interface Written {
  readonly state: number;
  readonly reached: Reached | undefined;
}

const UNREACHED: Reached = { mac: new Uint8Array(6), tunnel: undefined };
const EMERGENCY = { title: 'emergency', weight: 1, real: EMERGENCY_REAL };

export class Service {
  readonly index: number;
  readonly #tables: ControlTables;
  readonly #reals: Reals;
  #spec: ServiceSpec;
  /** In order of title, so that balancers with the same servers agree. */
  #members: readonly Member[] = [];
  readonly #written = new Map<number, Written>();
  #table = new Uint16Array(0);
  /** Counted when first asked for. */
  #shares: ReadonlyMap<number, number> | undefined;
  /** Who stands in it, as text. */
  #inTable = '';

  constructor(index: number, { tables, reals }: { readonly tables: ControlTables; readonly reals: Reals }, vip: Vip) {
    this.index = index;
    this.#tables = tables;
    this.#reals = reals;
    this.#spec = { vip, hashesPorts: false, slots: 0, members: [] };
  }

  /** Whether there is a table for it. */
  get isReady(): boolean {
    return this.#inTable !== '';
  }

  get vip(): Vip {
    return this.#spec.vip;
  }

  get hashesPorts(): boolean {
    return this.#spec.hashesPorts;
  }

  get slots(): number {
    return this.#spec.slots;
  }

  get members(): readonly Member[] {
    return this.#members;
  }

  /** Takes up other servers; `refresh` writes what comes of it. Throws a DsrError if there is no number for one. */
  configure(spec: ServiceSpec): void {
    this.#spec = spec;
    const before = new Map(this.#members.map((member) => [keyOf(member), member]));
    const members = titled(spec.members).map((member): Member => {
      const { real, generation, name } = before.get(keyOf(member)) ?? {
        ...this.#reals.take(this.index, member.address),
        name: targetName(member),
      };
      return { ...member, name, real, generation };
    });
    // Those that have gone before they were ever written; `refresh` sees to the others.
    const kept = new Set(members.map(({ real }) => real));
    for (const { real } of this.#members) if (!kept.has(real) && !this.#written.has(real)) this.#reals.drop(real);
    this.#members = members.sort((a, b) => (a.title < b.title ? -1 : 1));
  }

  /** How many numbers `configure` will take. */
  numbersFor(members: readonly MemberSpec[]): number {
    const here = new Set(this.#members.map(keyOf));
    return titled(members).filter((member) => !here.has(keyOf(member))).length;
  }

  /**
   * Gives back at once the numbers of those that are to go, though slots still name them: their flows fail until `refresh`.
   * The names that are no member's any more.
   */
  retain(members: readonly MemberSpec[]): Set<string> {
    const wanted = new Set(titled(members).map(keyOf));
    const gone = this.#members.filter((member) => !wanted.has(keyOf(member)));
    for (const { real } of gone) this.#drop(real);
    this.#members = this.#members.filter((member) => wanted.has(keyOf(member)));
    const names = new Set(gone.map(({ name }) => name));
    for (const { name } of this.#members) names.delete(name);
    return names;
  }

  /** Writes what has changed; how much work that was, in slots filled and servers looked at. */
  refresh(standing: Standing): number {
    const states = this.#members.map((member) => this.stateOf(member, standing));
    for (const [i, member] of this.#members.entries()) this.#write(member, states[i], standing, true);
    const inService = this.#inService(states, standing);
    const isLost = inService.length === 0 && standing.hasEmergency;
    const filled = this.#writeTable(isLost ? [EMERGENCY] : inService);
    const kept = new Set<number>();
    for (const [i, member] of this.#members.entries()) {
      kept.add(member.real);
      this.#write(member, states[i], standing, false);
    }
    for (const real of this.#written.keys()) if (!kept.has(real)) this.#drop(real);
    return filled + states.length;
  }

  /** Takes it all out of the tables; nobody is led here any more. */
  close(): void {
    this.#tables.setSlots(this.index, new Uint16Array(0));
    for (const real of new Set([...this.#written.keys(), ...this.#members.map((member) => member.real)]))
      this.#drop(real);
  }

  stateOf({ slot, name, weight }: Member, standing: Standing): MemberState {
    if (standing.reach(name) === undefined) return 'silent';
    if (slot >= 0 && standing.isBlacklisted(slot)) return 'blacklisted';
    return weight > 0 && !(slot >= 0 && standing.isDraining(slot)) ? 'in-service' : 'draining';
  }

  /** Slots by real. */
  shares(): ReadonlyMap<number, number> {
    if (this.#shares) return this.#shares;
    const shares = new Map<number, number>();
    for (const real of this.#table) shares.set(real, (shares.get(real) ?? 0) + 1);
    this.#shares = shares;
    return shares;
  }

  /** Writes a record that has changed; in the first pass only if it takes nothing away. */
  #write(member: Member, memberState: MemberState, standing: Standing, isFirst: boolean): void {
    const { real, generation, address, name } = member;
    const reached = standing.reach(name);
    const state = reached === undefined ? 0 : REAL_SERVES | (memberState === 'in-service' ? REAL_TAKES_NEW : 0);
    const before = this.#written.get(real);
    if (before?.state === state && before.reached === reached) return;
    // One that has never answered is as good as not there, and that is what the table says already.
    if (state === 0 && (isFirst || !before)) return;
    this.#tables.setReal(real, realValueOf({ ...(reached ?? UNREACHED), state, generation, vip: this.index, address }));
    this.#written.set(real, { state, reached });
  }

  #drop(real: number): void {
    this.#reals.drop(real);
    this.#written.delete(real);
  }

  /** How many slots were filled: none if nothing has changed. */
  #writeTable(members: readonly Pick<Member, 'title' | 'weight' | 'real'>[]): number {
    const { slots } = this.#spec;
    const text = `${slots} ${members.map(({ title, weight, real }) => `${title} ${weight} ${real}`).join('\n')}`;
    if (text === this.#inTable) return 0;
    const places = maglevTable(
      members.map(({ title, weight }) => ({ name: title, weight })),
      slots,
    );
    const table = places.length === 0 ? new Uint16Array(slots) : places.map((place) => members[place].real);
    this.#tables.setSlots(this.index, table);
    this.#table = table;
    this.#shares = undefined;
    this.#inTable = text;
    return slots;
  }

  /** Who is to stand in the table. With `prio` these are those of the lowest number that somebody has. */
  #inService(states: readonly MemberState[], { stubborn, prio, isDraining }: Standing): readonly Member[] {
    const able = this.#members.filter(({ slot, weight }, i) => {
      if (weight === 0 || (slot >= 0 && isDraining(slot))) return false;
      // `stubborn` is to have the server of its hash or none.
      return stubborn || states[i] === 'in-service';
    });
    const lowest = able.reduce((least, member) => Math.min(least, member.prio), Infinity);
    return prio ? able.filter((member) => member.prio === lowest) : able;
  }
}

/** With what each is called: the address, and behind it a number where it is there more than once. */
function titled(members: readonly MemberSpec[]): (MemberSpec & { readonly title: string })[] {
  const times = new Map<string, number>();
  return members.map((member) => {
    const text = formatIp(member.address);
    const nth = (times.get(text) ?? 0) + 1;
    times.set(text, nth);
    return { ...member, title: nth === 1 ? text : `${text} ${nth}` };
  });
}

/** Which server it is, and by which kind of tunnel: another one is another server. */
function keyOf({ title, encap }: Pick<Member, 'title' | 'encap'>): string {
  return encap === 'none' ? title : `${title} by ${encap}`;
}
