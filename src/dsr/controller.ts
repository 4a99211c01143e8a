/**
 * Keeps the packet path's tables as the configuration, the blacklists and the servers' answers have them. What each table
 * holds, who is asked and what the link is told are files of their own; here is what follows from what. Everything
 * happens in `configure` and `turn`, which the owner calls: a few times a second, on the control thread's event loop,
 * and again soon while `isBusy`: a turn does only so much. Between them the packet path goes on by itself.
 */

import type { IpWords } from '../core/address.js';
import type { Configuration, DsrRole, ServerSpec } from '../core/configuration.js';
import { MaglevCache } from '../core/selection/maglev-cache.js';
import type { ServerState } from '../core/server-state.js';
import { isSameAddress, isSameService, type Vip, type VipSpec, vipName } from '../core/vip.js';
import { AccessLists, accessRecords } from './access-lists.js';
import { Announcements } from './announcements.js';
import { ControlRecord } from './control-record.js';
import { inheritanceFrom } from './inheritance.js';
import { ABUSE_REAL, EMERGENCY_REAL } from './layout.js';
import type { Inherited } from './pinned-path.js';
import { type FarOptions, type Reached, type Target, targetName } from './reach.js';
import { Reals } from './reals.js';
import { ServerNames } from './server-names.js';
import { type Member, type MemberState, Service, type ServiceParts, type Standing } from './service.js';
import { listenService, type ServiceSpec, targetOf, usesTunnels, vipService } from './services.js';
import { SpareReal } from './spare-real.js';
import type { BatchTables, Traffic } from './tables.js';
import { hasTarpit, tarpitEntries } from './tarpit-list.js';
import { VipNumbers } from './vip-numbers.js';
import { VipEntries } from './vips.js';
import { type ServerUser, WatchedServers } from './watched-servers.js';
import { WithheldServers } from './withheld-servers.js';

export interface ControllerOptions {
  readonly tables: BatchTables;
  /** Size of the Maglev table of LISTEN. */
  readonly slots: number;
  /** Of the hash: the same on balancers that are to agree. */
  readonly seed: number;
  /** Of the tarpit's sequence numbers: unpredictable in service, fixed in tests. */
  readonly tarpitKey: readonly [number, number];
  /** The balancer's, at all interfaces. */
  ownAddresses(): readonly IpWords[];
  readonly mac: Uint8Array;
  /** An IPv6 address of the interface, for asking. */
  sourceV6(): Uint8Array | undefined;
  readonly far: FarOptions;
  readonly servers: ServerState;
  readonly interfaceName: string;
  send(frame: Uint8Array): void;
  log(line: string): void;
  readonly role: DsrRole;
  /** What an earlier process decided, whose packets go on. */
  readonly inherited?: Inherited | undefined;
  /** The entries of `vips` are other ones now; a program that knows them by heart is to be replaced. */
  vipsChanged(): void;
  /** Tunnels are about to be used, or are not any more; a program that leaves out what is off is to be replaced. */
  tunnelsChanged(areUsed: boolean): void;
}

/** Slots filled and servers looked at in one turn: some 20 ms. A single table is made in one go. */
const WORK_PER_TURN = 300_000;

/**
 * Before clients are let in, tables are filled once there has been no news of servers for so long: each answer makes another
 * table. Then those who wait for the last servers need not wait for the tables as well.
 */
const QUIET_MS = 100;

const SPARES = { emergency: EMERGENCY_REAL, abuse: ABUSE_REAL } as const;

export class Controller {
  readonly #options: ControllerOptions;
  readonly #watched: WatchedServers;
  readonly #reals: Reals;
  readonly #parts: ServiceParts;
  readonly #vipEntries: VipEntries;
  readonly #numbers: VipNumbers;
  readonly #accessLists: AccessLists;
  readonly #withheld: WithheldServers;
  readonly #spares: Readonly<Record<keyof typeof SPARES, SpareReal>>;
  #mac: Uint8Array;
  #configuration: Configuration;
  #listen: Service | undefined;
  /** By name; those of `dsr_vip`, with what was asked for. */
  readonly #services = new Map<string, { readonly service: Service; spec: VipSpec }>();
  /** Those whose tables may differ from what they should be. */
  readonly #dirty = new Set<Service>();
  #role: DsrRole;
  #hasTarpit = false;
  #isOpen = false;
  /** Whether the program has tunnels, and whether the configuration needs them. */
  #usesTunnels = false;
  #mayNeedTunnels = false;
  #isSettled = false;
  readonly #control: ControlRecord;
  readonly #announcements: Announcements;
  /** What has been added to `servers` so far, by row. */
  readonly #counted = new Map<number, number>();
  #nowMs = 0;
  /** When it was last heard of a server that it has come or gone, or that there is one. */
  #newsMs = 0;

  constructor(options: ControllerOptions, configuration: Configuration) {
    const { tables, inherited, role } = options;
    this.#options = options;
    this.#configuration = configuration;
    this.#mac = options.mac;
    const { sourceV6, far, send, interfaceName, log } = options;
    this.#role = role;
    this.#announcements = new Announcements(send);
    if (role === 'master') this.#announcements.begin();
    const { reals, reached: known, generation, epoch, vipNumbers } = inheritanceFrom(inherited);
    this.#watched = new WatchedServers({
      mac: () => this.#mac,
      sourceV6,
      far,
      send,
      interfaceName,
      log,
      known,
      changed: (users, reached) => this.#serverChanged(users, reached),
    });
    this.#control = new ControlRecord({
      tables,
      seed: options.seed,
      source: (family) => far.source(family),
      epoch,
    });
    this.#reals = new Reals(tables, reals, generation);
    this.#parts = { tables, reals: this.#reals, names: new ServerNames(), maglev: new MaglevCache() };
    this.#numbers = new VipNumbers(tables, vipNumbers);
    this.#accessLists = new AccessLists(tables);
    this.#withheld = new WithheldServers(options.servers);
    this.#vipEntries = new VipEntries(tables);
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
    return this.#watched.isComplete;
  }

  /**
   * Obeys a configuration, `listen` being the VIP of the server table. Throws a DsrError that says what cannot be done,
   * before anything is. What it takes longer to write is written in the turns that follow.
   */
  configure(configuration: Configuration, listen: Vip | undefined, nowMs: number): void {
    const records = accessRecords(configuration, tarpitEntries(configuration, listen, this.#options.ownAddresses()));
    const before = this.#configuration;
    const had = this.#spares.emergency.isThere;
    this.#nowMs = nowMs;
    this.#newsMs = nowMs;
    this.#configuration = configuration;
    const hadTarpit = this.#hasTarpit;
    this.#hasTarpit = hasTarpit(configuration);
    // Before a real says that it has one, and after the last has said so.
    const areUsed = usesTunnels(configuration);
    if (areUsed && !this.#usesTunnels) this.#options.tunnelsChanged(true);
    this.#accessLists.apply(records);
    this.#dropServices(configuration);
    this.#makeNumbersDo(configuration, listen);
    this.#configureListen(listen);
    for (const spec of configuration.vips) this.#configureVip(spec, before.settings.roundRobin);
    // Behind the services, for one of which they are asked.
    for (const name of ['emergency', 'abuse'] as const) this.#configureSpare(this.#spares[name], configuration[name]);
    const { stubborn } = configuration.settings;
    if (had !== this.#spares.emergency.isThere || stubborn !== before.settings.stubborn)
      for (const service of this.services) this.#dirty.add(service);
    this.#watched.forgetKnown();
    this.#isSettled = false;
    this.#mayNeedTunnels = areUsed;
    this.#usesTunnels ||= areUsed;
    this.#parts.names.clear();
    this.turn(nowMs);
    if (this.#isOpen && this.#hasTarpit !== hadTarpit) this.#options.vipsChanged();
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
    this.#writeControl();
    if (role === 'master') this.#announcements.beginTakeover();
    else this.#announcements.end();
    this.#nowMs = nowMs;
    if (role === 'master' && this.#isOpen) this.#announce();
  }

  /** Lets clients in, once the tables are filled. */
  open(nowMs: number): void {
    this.#isOpen = true;
    this.#isSettled = false;
    this.turn(nowMs);
  }

  /** The interface has another MAC address. */
  moveTo(mac: Uint8Array, nowMs: number): void {
    this.#mac = mac;
    this.#announceAgain();
    this.#control.endEpoch(nowMs);
    this.#announcements.hurry(nowMs);
    this.turn(nowMs);
  }

  /** A frame that came for the interface and may be an answer. */
  received(frame: Uint8Array): void {
    this.#watched.received(frame, this.#nowMs);
  }

  /** Asks, gives up, writes, announces: whatever is due. */
  turn(nowMs: number): void {
    this.#nowMs = nowMs;
    this.#control.tick(nowMs);
    this.#writeControl();
    this.#watched.tick(nowMs);
    if (this.#listen && this.#withheld.haveChanged(this.#configuration.servers.length, nowMs))
      this.#dirty.add(this.#listen);
    this.#work();
    this.#watched.tell(nowMs, (name) => this.#rowOf(name));
    if (this.#isOpen && this.#announcements.isDue(nowMs)) this.#announce();
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
    const target = targetOf(spec);
    return target && this.#watched.of(targetName(target)) ? 'in-service' : 'silent';
  }

  /** Where a server, or whoever is next on the way to it, was last. */
  macOf(target: Target): Uint8Array | undefined {
    return this.#watched.lastMacOf(targetName(target));
  }

  /** Of a server behind a tunnel, for people: `encap ipip by 192.0.2.1 mtu 1480`; '' for others. */
  tunnelOf(target: Target): string {
    return this.#watched.describe(targetName(target));
  }

  /** Of a server, since it got its number. */
  trafficOf(real: number): Traffic {
    return this.#reals.traffic(real);
  }

  trafficOfVip({ index }: Service): Traffic {
    return this.#numbers.trafficOf(index);
  }

  get #standing(): Standing {
    const { settings } = this.#configuration;
    return {
      stubborn: settings.stubborn,
      prio: settings.prio,
      hasEmergency: this.#spares.emergency.isThere,
      isBlacklisted: (slot) => this.#withheld.isBlacklisted(slot, this.#nowMs),
      isDraining: (slot) => this.#withheld.isDraining(slot),
      reach: (name) => this.#watched.of(name),
    };
  }

  #configureListen(vip: Vip | undefined): void {
    const { slots } = this.#options;
    if (!vip) return;
    if (this.#listen && vipName(vip) !== vipName(this.#listen.vip)) this.#announceAgain();
    this.#listen ??= new Service(this.#numbers.take(vip), this.#parts, vip);
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
    const service = before?.service ?? new Service(this.#numbers.take(spec), this.#parts, spec);
    if (!before) this.#announceAgain();
    this.#services.set(name, { service, spec });
    this.#configureService(service, vipService(spec, roundRobin));
  }

  #configureService(service: Service, spec: ServiceSpec): void {
    const before = new Set(service.members.map(({ name }) => name));
    const hasMoved = !isSameAddress(service.vip.address, spec.vip.address);
    service.configure(spec);
    for (const member of service.members) {
      if (!before.delete(member.name)) this.#watched.add(service, { name: member.name, target: member }, this.#nowMs);
      else if (hasMoved) this.#watched.aim(member.name, spec.vip.address);
    }
    for (const name of before) this.#watched.remove(service, name);
    this.#dirty.add(service);
  }

  #configureSpare(spare: SpareReal, spec: ServerSpec | undefined): void {
    const { name } = spare;
    const target = targetOf(spec);
    spare.configure(target);
    const isSame = name === spare.name;
    if (!isSame && name !== undefined) this.#watched.remove(spare, name);
    if (!target || spare.name === undefined) return;
    if (!isSame) this.#watched.add(spare, { name: spare.name, target }, this.#nowMs);
    // One VIP of all that it stands in for; the first.
    const [first] = this.services;
    if (first && !this.#watched.hasVip(spare.name)) this.#watched.aim(spare.name, first.vip.address);
    if (!isSame) spare.write(this.#watched.of(spare.name));
  }

  /** Closes the VIPs that are no more, then takes their servers away. */
  #dropServices({ vips }: Configuration): void {
    const wanted = new Set(vips.map(vipName));
    const gone = [...this.#services].filter(([name]) => !wanted.has(name));
    if (gone.length === 0) return;
    for (const [name] of gone) this.#services.delete(name);
    if (this.#isOpen && this.#writeEntries()) this.#options.vipsChanged();
    for (const [, { service }] of gone) {
      for (const name of new Set(service.members.map((member) => member.name))) this.#watched.remove(service, name);
      this.#dirty.delete(service);
      service.close();
      this.#numbers.release(service.index);
    }
  }

  /**
   * Where so many servers are exchanged for others that old and new ones together have no numbers, the old ones go first, of
   * all services: half of all that there can be are exchanged without that.
   */
  #makeNumbersDo(configuration: Configuration, listen: Vip | undefined): void {
    const { vips, servers, settings } = configuration;
    const left = this.#reals.left;
    if (left >= vips.reduce((sum, vip) => sum + vip.servers.length, servers.length)) return;
    const specs: [Service | undefined, ServiceSpec][] = vips.map((spec) => [
      this.#services.get(vipName(spec))?.service,
      vipService(spec, settings.roundRobin),
    ]);
    if (listen) specs.push([this.#listen, listenService(listen, this.#options.slots, configuration)]);
    const needed = specs.reduce(
      (sum, [service, { members }]) => sum + (service?.numbersFor(members) ?? members.length),
      0,
    );
    if (left >= needed) return;
    for (const [service, { members }] of specs)
      if (service) for (const name of service.retain(members)) this.#watched.remove(service, name);
  }

  #announceAgain(): void {
    if (this.#role === 'master') this.#announcements.begin();
  }

  #announce(): void {
    this.#announcements.send(
      this.services.map(({ vip }) => vip),
      this.#mac,
      this.#nowMs,
    );
  }

  #serverChanged(users: Iterable<ServerUser>, reached: Reached | undefined): void {
    this.#newsMs = this.#nowMs;
    for (const user of users) {
      if (user instanceof Service) this.#dirty.add(user);
      else user.write(reached);
    }
  }

  /** Brings tables up to date, a few in a turn; when all are, opens what is new and lets go of what nobody needs. */
  #work(): void {
    if (!this.#isOpen && this.#nowMs < this.#newsMs + QUIET_MS) return;
    const standing = this.#standing;
    let left = WORK_PER_TURN;
    for (const service of this.#dirty) {
      if (left <= 0) return;
      this.#dirty.delete(service);
      left -= service.refresh(standing);
    }
    this.#parts.maglev.clear();
    if (this.#isSettled || !this.#isOpen) return;
    this.#isSettled = true;
    for (const spare of Object.values(this.#spares)) spare.settle();
    // Last, as it opens the door.
    if (this.#writeEntries()) this.#options.vipsChanged();
    this.#accessLists.settle();
    if (this.#usesTunnels && !this.#mayNeedTunnels) {
      this.#usesTunnels = false;
      this.#options.tunnelsChanged(false);
    }
  }

  /** The VIPs that have a table; true if any is another one now. */
  #writeEntries(): boolean {
    const { settings, acls } = this.#configuration;
    const acl = acls[settings.clientAcl]?.length > 0 ? 1 << settings.clientAcl : 0;
    const ready = this.services.filter(({ isReady }) => isReady);
    return this.#vipEntries.apply(ready, { acl, isSilent: this.#role !== 'master' });
  }

  #writeControl(): void {
    // Who is not the master leaves the tarpit to who is, lest two answer for one address.
    const tarpitKey = this.#hasTarpit && this.#role === 'master' ? this.#options.tarpitKey : undefined;
    this.#control.write({ mac: this.#mac, generation: this.#reals.generation, tarpitKey });
  }

  /** The row of a server of the table, for people. */
  #rowOf(name: string): number | undefined {
    return this.#listen?.members.find((member) => member.name === name)?.slot;
  }
}
