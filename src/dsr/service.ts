/**
 * A VIP and its servers, as the tables have them: which reals there are, which of them take new flows, and the Maglev
 * table over those. What is written are only differences from what was written before.
 *
 * The order matters, as frames meet the tables half written: a server is in `reals` before a slot names it, and is
 * taken out only when none does any more.
 */
import type { MaglevCache } from '../core/selection/maglev-cache.js';
import type { Vip } from '../core/vip.js';
import { EMERGENCY_REAL, REAL_SERVES, REAL_TAKES_NEW } from './layout.js';
import type { Reached } from './reach.js';
import type { Reals } from './reals.js';
import { realValueOf } from './record.js';
import type { ServerNames } from './server-names.js';
import type { MemberSpec, ServiceSpec } from './services.js';
import type { BatchTables } from './tables.js';

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

/** A member as it stands in the Maglev table. */
type Standee = Pick<Member, 'title' | 'weight' | 'real'>;

/** What all services write to and take from. */
export interface ServiceParts {
  readonly tables: BatchTables;
  readonly reals: Reals;
  readonly names: ServerNames;
  readonly maglev: MaglevCache;
}

const UNREACHED: Reached = { mac: new Uint8Array(6), tunnel: undefined };
const EMERGENCY: Standee = { title: 'emergency', weight: 1, real: EMERGENCY_REAL };

export class Service {
  readonly index: number;
  readonly #parts: ServiceParts;
  #spec: ServiceSpec;
  /** In order of title, so that balancers with the same servers agree. */
  #members: readonly Member[] = [];
  readonly #written = new Map<number, Written>();
  #table = new Uint16Array(0);
  /** Counted when first asked for. */
  #shares: ReadonlyMap<number, number> | undefined;
  /** Who stands in it; undefined until there is one. */
  #inTable: readonly Standee[] | undefined;

  constructor(index: number, parts: ServiceParts, vip: Vip) {
    this.index = index;
    this.#parts = parts;
    this.#spec = { vip, hashesPorts: false, slots: 0, members: [] };
  }

  /** Whether there is a table for it. */
  get isReady(): boolean {
    return this.#inTable !== undefined;
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
    const { reals, names } = this.#parts;
    const before = new Map(this.#members.map((member) => [keyOf(member), member]));
    const members = titled(spec.members, names).map(({ slot, address, weight, prio, encap, title }): Member => {
      const was = before.size === 0 ? undefined : before.get(keyOf({ title, encap }));
      const { real, generation } = was ?? reals.take(this.index, address);
      const name = was?.name ?? names.name({ address, encap });
      return { slot, address, weight, prio, encap, name, title, real, generation };
    });
    // Those that have gone before they were ever written; `refresh` sees to the others.
    const kept = new Set(before.size === 0 ? [] : members.map(({ real }) => real));
    for (const { real } of this.#members) if (!kept.has(real) && !this.#written.has(real)) reals.drop(real);
    this.#members = members.sort((a, b) => (a.title < b.title ? -1 : 1));
  }

  /** How many numbers `configure` will take. */
  numbersFor(members: readonly MemberSpec[]): number {
    const here = new Set(this.#members.map(keyOf));
    return titled(members, this.#parts.names).filter((member) => !here.has(keyOf(member))).length;
  }

  /**
   * Gives back at once the numbers of those that are to go, though slots still name them: their flows fail until `refresh`.
   * The names that are no member's any more.
   */
  retain(members: readonly MemberSpec[]): Set<string> {
    const wanted = new Set(titled(members, this.#parts.names).map(keyOf));
    const gone = this.#members.filter((member) => !wanted.has(keyOf(member)));
    for (const { real } of gone) this.#drop(real);
    this.#members = this.#members.filter((member) => wanted.has(keyOf(member)));
    const names = new Set(gone.map(({ name }) => name));
    for (const { name } of this.#members) names.delete(name);
    return names;
  }

  /** Writes what has changed; how much work that was, in slots filled and servers looked at. */
  refresh(standing: Standing): number {
    const reached = this.#members.map(({ name }) => standing.reach(name));
    const states = this.#members.map((member, i) => stateWhen(member, reached[i], standing));
    this.#writeReals(states, reached, true);
    const inService = this.#inService(states, standing);
    const isLost = inService.length === 0 && standing.hasEmergency;
    const filled = this.#writeTable(isLost ? [EMERGENCY] : inService);
    this.#writeReals(states, reached, false);
    this.#dropOthers();
    return filled + states.length;
  }

  /** Takes it all out of the tables; nobody is led here any more. */
  close(): void {
    this.#parts.tables.setSlots(this.index, new Uint16Array(0));
    for (const real of new Set([...this.#written.keys(), ...this.#members.map((member) => member.real)]))
      this.#drop(real);
  }

  stateOf(member: Member, standing: Standing): MemberState {
    return stateWhen(member, standing.reach(member.name), standing);
  }

  /** Slots by real. */
  shares(): ReadonlyMap<number, number> {
    if (this.#shares) return this.#shares;
    const shares = new Map<number, number>();
    for (const real of this.#table) shares.set(real, (shares.get(real) ?? 0) + 1);
    this.#shares = shares;
    return shares;
  }

  /** Writes the records that have changed; in the first pass only those that take nothing away. */
  #writeReals(states: readonly MemberState[], reacheds: readonly (Reached | undefined)[], isFirst: boolean): void {
    const records: [real: number, value: Uint8Array][] = [];
    for (let i = 0; i < states.length; i++) {
      const { real, generation, address } = this.#members[i];
      const reached = reacheds[i];
      const state = reached === undefined ? 0 : REAL_SERVES | (states[i] === 'in-service' ? REAL_TAKES_NEW : 0);
      const before = this.#written.get(real);
      if (before?.state === state && before.reached === reached) continue;
      // One that has never answered is as good as not there, and that is what the table says already.
      if (state === 0 && (isFirst || !before)) continue;
      const { mac, tunnel } = reached ?? UNREACHED;
      records.push([real, realValueOf({ mac, tunnel, state, generation, vip: this.index, address })]);
      this.#written.set(real, { state, reached });
    }
    const { tables } = this.#parts;
    if (tables.setReals && records.length > 1) tables.setReals(records);
    else for (const [real, value] of records) tables.setReal(real, value);
  }

  /** Those that are no members any more. */
  #dropOthers(): void {
    if (this.#written.size === 0) return;
    const kept = new Set(this.#members.map(({ real }) => real));
    for (const real of this.#written.keys()) if (!kept.has(real)) this.#drop(real);
  }

  #drop(real: number): void {
    this.#parts.reals.drop(real);
    this.#written.delete(real);
  }

  /** How many slots were filled: none if nothing has changed. */
  #writeTable(members: readonly Standee[]): number {
    const { slots } = this.#spec;
    if (slots === this.#table.length && this.#inTable && isSame(members, this.#inTable)) return 0;
    const { tables, maglev } = this.#parts;
    const places = maglev.table(
      members.map(({ title, weight }) => ({ name: title, weight })),
      slots,
    );
    const table = new Uint16Array(slots);
    const reals = Uint16Array.from(members, ({ real }) => real);
    for (let slot = 0; slot < places.length; slot++) table[slot] = reals[places[slot]];
    tables.setSlots(this.index, table);
    this.#table = table;
    this.#shares = undefined;
    this.#inTable = members;
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

function stateWhen(
  { slot, weight }: Member,
  reached: Reached | undefined,
  { isBlacklisted, isDraining }: Standing,
): MemberState {
  if (reached === undefined) return 'silent';
  if (slot >= 0 && isBlacklisted(slot)) return 'blacklisted';
  return weight > 0 && !(slot >= 0 && isDraining(slot)) ? 'in-service' : 'draining';
}

function isSame(members: readonly Standee[], others: readonly Standee[]): boolean {
  return (
    members.length === others.length &&
    members.every(({ title, weight, real }, i) => {
      const other = others[i];
      return title === other.title && weight === other.weight && real === other.real;
    })
  );
}

/** With what each is called: the address, and behind it a number where it is there more than once. */
function titled(members: readonly MemberSpec[], names: ServerNames): (MemberSpec & { readonly title: string })[] {
  const times = new Map<string, number>();
  return members.map(({ slot, address, weight, prio, encap }) => {
    const text = names.title(address);
    const nth = (times.get(text) ?? 0) + 1;
    times.set(text, nth);
    return { slot, address, weight, prio, encap, title: nth === 1 ? text : `${text} ${nth}` };
  });
}

/** Which server it is, and by which kind of tunnel: another one is another server. */
function keyOf({ title, encap }: Pick<Member, 'title' | 'encap'>): string {
  return encap === 'none' ? title : `${title} by ${encap}`;
}
