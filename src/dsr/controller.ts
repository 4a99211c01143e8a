/**
 * Keeps the packet path's tables as the configuration, the blacklists and the servers' answers have them. Everything
 * happens in `configure` and `turn`, which the owner calls: a few times a second, on the control thread's event loop,
 * and again soon while `isBusy`: a turn does only so much. Between them the packet path goes on by itself.
 */
import { type IpWords, isV4 } from '../core/address.js';
import type { Configuration, DsrRole, ServerSpec } from '../core/configuration.js';
import type { ServerState } from '../core/server-state.js';
import { ADDRESS_BITS, isSameService, type Vip, type VipSpec, vipName } from '../core/vip.js';
import { arpAnnouncement } from '../frame/arp.js';
import { ndpAnnouncement } from '../frame/ndp.js';
import { type AclRecord, aclRecords } from './acl-prefixes.js';
import { DsrError } from './errors.js';
import { ABUSE_REAL, EMERGENCY_REAL, EPOCH_MS, REAL_SERVES } from './layout.js';
import { addressName, Neighbours } from './neighbours.js';
import type { Inherited } from './pinned-path.js';
import { Reals, since } from './reals.js';
import { addressBytes, controlValueOf, epochOf, realOf } from './record.js';
import { type Member, type MemberState, Service, type Standing } from './service.js';
import { addressOf, listenService, type ServiceSpec, vipService } from './services.js';
import { SpareReal } from './spare-real.js';
import type { ControlTables, Traffic } from './tables.js';
import { Tidings } from './tidings.js';
import { Numbers, numbersIn, VipEntries } from './vips.js';

export interface ControllerOptions {
  readonly tables: ControlTables;
  /** Size of the Maglev table of LISTEN. */
  readonly slots: number;
  /** Of the hash: the same on balancers that are to agree. */
  readonly seed: number;
  readonly mac: Uint8Array;
  /** An IPv6 address of the interface, for asking. */
  sourceV6(): Uint8Array | undefined;
  readonly servers: ServerState;
  readonly interfaceName: string;
  send(frame: Uint8Array): void;
  log(line: string): void;
  readonly role: DsrRole;
  /** What an earlier process decided, whose packets go on. */
  readonly inherited?: Inherited | undefined;
  /** The entries of `vips` are other ones now; a program that knows them by heart is to be replaced. */
  vipsChanged(): void;
}

/** Times that a VIP is announced, and how long after each other (RFC 5227 ANNOUNCE_NUM, ANNOUNCE_INTERVAL). */
const ANNOUNCEMENTS = 2;
/** The same when another balancer had them until now: one that is lost would leave clients with the other for long. */
const TAKEOVER_ANNOUNCEMENTS = 5;
const ANNOUNCE_INTERVAL_MS = 2000;
/** Slots filled and servers looked at in one turn: some 20 ms. A single table is made in one go. */
const WORK_PER_TURN = 300_000;

const SPARES = { emergency: EMERGENCY_REAL, abuse: ABUSE_REAL } as const;

export class Controller {
  readonly #options: ControllerOptions;
  readonly #neighbours: Neighbours;
  readonly #reals: Reals;
  readonly #vipEntries: VipEntries;
  readonly #numbers: Numbers;
  readonly #tidings: Tidings;
  readonly #spares: Readonly<Record<keyof typeof SPARES, SpareReal>>;
  #mac: Uint8Array;
  #configuration: Configuration;
  #listen: Service | undefined;
  /** By name; those of `dsr_vip`, with what was asked for. */
  readonly #services = new Map<string, { readonly service: Service; spec: VipSpec }>();
  /** Who has a server, by the name of its address. */
  readonly #users = new Map<string, Set<Service | SpareReal>>();
  /** Those whose tables may differ from what they should be. */
  readonly #dirty = new Set<Service>();
  /** What was counted at a VIP before it got its number. */
  readonly #bases = new Map<number, Traffic>();
  #acl: ReadonlyMap<string, AclRecord> = new Map();
  /** Still in the table, though no longer asked for. */
  readonly #oldAcl = new Map<string, AclRecord>();
  /** By row, as the tables have it: bit 0 blacklisted, bit 1 draining. */
  #withheld = new Uint8Array(0);
  #role: DsrRole;
  /** Where servers answered an earlier process, by name; until they are asked here. */
  readonly #known = new Map<string, Uint8Array>();
  readonly #inheritedVips: ReadonlyMap<string, number>;
  #isOpen = false;
  #isSettled = false;
  #epoch = 0;
  #nextEpochMs = 0;
  #announcements: number;
  #nextAnnouncementMs = 0;
  /** What has been added to `servers` so far, by row. */
  readonly #counted = new Map<number, number>();
  #nowMs = 0;

  constructor(options: ControllerOptions, configuration: Configuration) {
    const { tables, inherited, role } = options;
    this.#options = options;
    this.#configuration = configuration;
    this.#mac = options.mac;
    const neighbours = {
      mac: () => this.#mac,
      sourceV6: options.sourceV6,
      send: options.send,
      changed: (name: string) => this.#neighbourChanged(name),
    };
    this.#neighbours = new Neighbours(neighbours);
    this.#role = role;
    this.#announcements = role === 'master' ? ANNOUNCEMENTS : 0;
    const servers = inherited ? serversIn(inherited) : [];
    for (const { address, mac, state } of servers)
      if ((state & REAL_SERVES) !== 0) this.#known.set(addressName(address), mac);
    if (inherited) this.#epoch = epochOf(inherited.control);
    this.#inheritedVips = inherited ? numbersIn(inherited.vips, inherited.prefixes) : new Map();
    this.#reals = new Reals(tables, servers);
    this.#numbers = new Numbers(0, this.#inheritedVips);
    this.#vipEntries = new VipEntries(tables);
    this.#tidings = new Tidings(options.interfaceName, options.log);
    const spare = (real: number) => new SpareReal(real, tables, this.#reals);
    this.#spares = { emergency: spare(EMERGENCY_REAL), abuse: spare(ABUSE_REAL) };
  }

  /** LISTEN first. */
  get services(): readonly Service[] {
    const others = Array.from(this.#services.values(), ({ service }) => service);
    return this.#listen ? [this.#listen, ...others] : others;
  }

  get listen(): Service | undefined {
    return this.#listen;
  }

  /** Whether there is work for another turn, soon. */
  get isBusy(): boolean {
    return this.#isOpen && this.#dirty.size > 0;
  }

  /** Whether every server has answered. */
  get isComplete(): boolean {
    return this.#neighbours.isComplete;
  }

  /**
   * Obeys a configuration, `listen` being the VIP of the server table. Throws a DsrError that says what cannot be done,
   * before anything is. What it takes longer to write is written in the turns that follow.
   */
  configure(configuration: Configuration, listen: Vip | undefined, nowMs: number): void {
    const acl = aclRecordsOf(configuration);
    const before = this.#configuration;
    const had = this.#spares.emergency.isThere;
    this.#nowMs = nowMs;
    this.#configuration = configuration;
    for (const { key, value } of acl.values()) this.#options.tables.setAcl(key, value);
    // Nobody is asked for a list that is gone, once all is written.
    for (const [name, record] of this.#acl) if (!acl.has(name)) this.#oldAcl.set(name, record);
    for (const name of acl.keys()) this.#oldAcl.delete(name);
    this.#acl = acl;
    for (const name of ['emergency', 'abuse'] as const) this.#configureSpare(this.#spares[name], configuration[name]);
    this.#dropServices(configuration);
    this.#configureListen(listen);
    for (const spec of configuration.vips) this.#configureVip(spec, before.settings.roundRobin);
    const { stubborn } = configuration.settings;
    if (had !== this.#spares.emergency.isThere || stubborn !== before.settings.stubborn)
      for (const service of this.services) this.#dirty.add(service);
    this.#known.clear();
    this.#isSettled = false;
    this.turn(nowMs);
  }

  get role(): DsrRole {
    return this.#role;
  }

  /** Answers for the VIPs from now on, and tells the link so; or leaves that to others. */
  take(role: DsrRole, nowMs: number): void {
    if (role === this.#role) return;
    this.#role = role;
    // Programs that know VIPs by heart look this up all the same.
    if (this.#isOpen) this.#writeEntries();
    this.#announcements = role === 'master' ? TAKEOVER_ANNOUNCEMENTS : 0;
    this.#nowMs = nowMs;
    if (role === 'master' && this.#isOpen) this.announce();
  }

  /** Fills the tables, and lets clients in once they are: no sooner, as each answer of a server is another table. */
  open(nowMs: number): void {
    this.#isOpen = true;
    this.#isSettled = false;
    this.turn(nowMs);
  }

  /** The interface has another MAC address. */
  moveTo(mac: Uint8Array, nowMs: number): void {
    this.#mac = mac;
    this.#announceAgain();
    this.#nextEpochMs = nowMs;
    this.#nextAnnouncementMs = nowMs;
    this.turn(nowMs);
  }

  /** A frame that came for the interface and may be an answer. */
  received(frame: Uint8Array): void {
    this.#neighbours.received(frame);
  }

  /** Asks, gives up, writes, announces: whatever is due. */
  turn(nowMs: number): void {
    this.#nowMs = nowMs;
    this.#neighbours.tick(nowMs);
    if (this.#listen && this.#withheldHasChanged()) this.#dirty.add(this.#listen);
    this.#work();
    this.#tidings.tell(nowMs, (name) => this.#rowOf(name));
    if (nowMs >= this.#nextEpochMs) this.#beginEpoch(nowMs);
    if (this.#isOpen && this.#announcements > 0 && nowMs >= this.#nextAnnouncementMs) this.announce();
  }

  /** Tells the link that the VIPs are here; whose prefix is one is too many. */
  announce(): void {
    const { send } = this.#options;
    const told = new Set<string>();
    for (const { vip } of this.services) {
      const name = addressName(vip.address);
      if (vip.bits < ADDRESS_BITS || told.has(name)) continue;
      told.add(name);
      const address = addressBytes(vip.address);
      send(isV4(vip.address) ? arpAnnouncement(this.#mac, address.slice(12)) : ndpAnnouncement(this.#mac, address));
    }
    this.#announcements = Math.max(0, this.#announcements - 1);
    this.#nextAnnouncementMs = this.#nowMs + ANNOUNCE_INTERVAL_MS;
  }

  /** Brings the bytes that `servers` shows up to date. */
  collect(): void {
    for (const { slot, real } of this.#listen?.members ?? []) {
      const { bytes } = this.#reals.traffic(real);
      const more = bytes - (this.#counted.get(slot) ?? 0);
      if (more > 0) this.#options.servers.addSent(slot, more);
      this.#counted.set(slot, bytes);
    }
  }

  /** The server that has a number. */
  memberOf(real: number): Member | undefined {
    for (const { members } of this.services) {
      const found = members.find((member) => member.real === real);
      if (found) return found;
    }
    return undefined;
  }

  stateOf(service: Service, member: Member): MemberState {
    return service.stateOf(member, this.#standing);
  }

  /** Of the emergency or abuse server. */
  spareStateOf(spec: ServerSpec | undefined): 'in-service' | 'silent' {
    const address = addressOf(spec?.endpoint);
    return address && this.#neighbours.at(addressName(address))?.isAlive ? 'in-service' : 'silent';
  }

  /** Where an address was last. */
  macOf(address: IpWords): Uint8Array | undefined {
    return this.#neighbours.at(addressName(address))?.mac;
  }

  /** Of a server, since it got its number. */
  trafficOf(real: number): Traffic {
    return this.#reals.traffic(real);
  }

  trafficOfVip({ index }: Service): Traffic {
    return since(this.#options.tables.vipTraffic(index), this.#bases.get(index));
  }

  get #standing(): Standing {
    const { settings } = this.#configuration;
    const { servers } = this.#options;
    return {
      stubborn: settings.stubborn,
      prio: settings.prio,
      hasEmergency: this.#spares.emergency.isThere,
      isBlacklisted: (slot) => servers.blacklistedUntil(slot) > this.#nowMs,
      isDraining: (slot) => servers.isDraining(slot),
      macOf: (name) => this.#aliveMacOf(name),
    };
  }

  #aliveMacOf(name: string): Uint8Array | undefined {
    const neighbour = this.#neighbours.at(name);
    return neighbour?.isAlive ? neighbour.mac : undefined;
  }

  #configureListen(vip: Vip | undefined): void {
    const { tables, slots } = this.#options;
    if (!vip) return;
    if (this.#listen && vipName(vip) !== vipName(this.#listen.vip)) this.#announceAgain();
    this.#listen ??= new Service(this.#number(vip), { tables, reals: this.#reals }, vip);
    this.#configureService(this.#listen, listenService(vip, slots, this.#configuration));
  }

  #configureVip(spec: VipSpec, rotatedBefore: boolean): void {
    const name = vipName(spec);
    const { roundRobin } = this.#configuration.settings;
    const before = this.#services.get(name);
    if (before && isSameService(before.spec, spec) && (spec.roundRobin !== undefined || rotatedBefore === roundRobin)) {
      before.spec = spec;
      return;
    }
    const reals = this.#reals;
    const service = before?.service ?? new Service(this.#number(spec), { tables: this.#options.tables, reals }, spec);
    if (!before) this.#announceAgain();
    this.#services.set(name, { service, spec });
    this.#configureService(service, vipService(spec, roundRobin));
  }

  #configureService(service: Service, spec: ServiceSpec): void {
    const before = new Set(service.members.map(({ name }) => name));
    service.configure(spec);
    for (const { name, address } of service.members) if (!before.delete(name)) this.#use(name, address, service);
    for (const name of before) this.#leave(name, service);
    this.#dirty.add(service);
  }

  #configureSpare(spare: SpareReal, spec: ServerSpec | undefined): void {
    const { name } = spare;
    const address = addressOf(spec?.endpoint);
    spare.configure(address);
    if (name === spare.name) return;
    if (name !== undefined) this.#leave(name, spare);
    if (!address || spare.name === undefined) return;
    this.#use(spare.name, address, spare);
    spare.write(this.#aliveMacOf(spare.name));
  }

  /** Closes the VIPs that are no more, then takes their servers away. */
  #dropServices({ vips }: Configuration): void {
    const wanted = new Set(vips.map(vipName));
    const gone = [...this.#services].filter(([name]) => !wanted.has(name));
    if (gone.length === 0) return;
    for (const [name] of gone) this.#services.delete(name);
    if (this.#isOpen && this.#writeEntries()) this.#options.vipsChanged();
    for (const [, { service }] of gone) {
      for (const name of new Set(service.members.map((member) => member.name))) this.#leave(name, service);
      this.#dirty.delete(service);
      service.close();
      this.#bases.delete(service.index);
      this.#numbers.release(service.index);
    }
  }

  #announceAgain(): void {
    if (this.#role === 'master') this.#announcements = ANNOUNCEMENTS;
  }

  #number(vip: Vip): number {
    const index = this.#numbers.take(vipName(vip));
    const counted = this.#options.tables.vipTraffic(index);
    if (counted.packets > 0 && !this.#inheritedVips.has(vipName(vip))) this.#bases.set(index, counted);
    return index;
  }

  #use(name: string, address: IpWords, user: Service | SpareReal): void {
    const users = this.#users.get(name) ?? new Set();
    this.#users.set(name, users.add(user));
    if (users.size > 1) return;
    this.#neighbours.add(name, address);
    this.#tidings.await(name, address, this.#nowMs);
    const mac = this.#known.get(name);
    if (mac) this.#neighbours.assume(name, mac);
  }

  #leave(name: string, user: Service | SpareReal): void {
    const users = this.#users.get(name);
    users?.delete(user);
    if (users?.size !== 0) return;
    this.#users.delete(name);
    this.#neighbours.remove(name);
    this.#tidings.forget(name);
  }

  #neighbourChanged(name: string): void {
    const mac = this.#aliveMacOf(name);
    this.#tidings.changed(name, mac !== undefined);
    for (const user of this.#users.get(name) ?? []) {
      if (user instanceof Service) this.#dirty.add(user);
      else user.write(mac);
    }
  }

  /** Brings tables up to date, a few in a turn; when all are, opens what is new and lets go of what nobody needs. */
  #work(): void {
    if (!this.#isOpen) return;
    const standing = this.#standing;
    let left = WORK_PER_TURN;
    for (const service of this.#dirty) {
      if (left <= 0) return;
      this.#dirty.delete(service);
      left -= service.refresh(standing);
    }
    if (this.#isSettled) return;
    this.#isSettled = true;
    for (const spare of Object.values(this.#spares)) spare.settle();
    // Last, as it opens the door.
    if (this.#writeEntries()) this.#options.vipsChanged();
    for (const { key } of this.#oldAcl.values()) this.#options.tables.deleteAcl(key);
    this.#oldAcl.clear();
  }

  /** The VIPs that have a table; true if any is another one now. */
  #writeEntries(): boolean {
    const { settings, acls } = this.#configuration;
    const acl = acls[settings.clientAcl]?.length > 0 ? 1 << settings.clientAcl : 0;
    const ready = this.services.filter(({ isReady }) => isReady);
    return this.#vipEntries.apply(ready, { acl, isSilent: this.#role !== 'master' });
  }

  #beginEpoch(nowMs: number): void {
    const { tables, seed } = this.#options;
    tables.setControl(controlValueOf({ mac: this.#mac, seed, epoch: ++this.#epoch }));
    this.#nextEpochMs = nowMs + EPOCH_MS;
  }

  /** The row of a server of the table, for people. */
  #rowOf(name: string): number | undefined {
    return this.#listen?.members.find((member) => member.name === name)?.slot;
  }

  #withheldHasChanged(): boolean {
    const { servers } = this.#options;
    const { length } = this.#configuration.servers;
    let changed = this.#withheld.length !== length;
    if (changed) this.#withheld = new Uint8Array(length);
    for (let slot = 0; slot < length; slot++) {
      const is = (servers.blacklistedUntil(slot) > this.#nowMs ? 1 : 0) | (servers.isDraining(slot) ? 2 : 0);
      if (this.#withheld[slot] === is) continue;
      this.#withheld[slot] = is;
      changed = true;
    }
    return changed;
  }
}

/** The servers that an earlier process had numbered. */
function serversIn({ reals }: Inherited) {
  return reals
    .map(([key, value]) => ({ real: new DataView(key.buffer, key.byteOffset).getUint32(0, true), ...realOf(value) }))
    .filter(({ address }) => address.some((word) => word !== 0));
}

/** The entries of `acl` for the list that clients must be permitted by, by key. */
function aclRecordsOf({ acls, settings }: Configuration): Map<string, AclRecord> {
  const entries = acls[settings.clientAcl] ?? [];
  const records = entries.length === 0 ? [] : aclRecords(new Map([[settings.clientAcl, entries]]));
  if (typeof records === 'string') throw new DsrError(records);
  return new Map(records.map((record) => [Buffer.from(record.key).toString('latin1'), record]));
}
