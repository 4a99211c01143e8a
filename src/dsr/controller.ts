/**
 * Keeps the packet path's tables as the configuration, the blacklists and the servers' answers have them. Everything
 * happens in `configure` and `turn`, which the owner calls: a few times a second, on the control thread's event loop.
 * Neither blocks; between them the packet path goes on by itself.
 */
import { formatIp, type IpWords, isV4 } from '../core/address.js';
import type { Configuration, DsrRole, ServerSpec } from '../core/configuration.js';
import type { ServerState } from '../core/server-state.js';
import { arpAnnouncement } from '../frame/arp.js';
import { ndpAnnouncement } from '../frame/ndp.js';
import { type AclRecord, aclRecords } from './acl-prefixes.js';
import { DsrError } from './errors.js';
import { EPOCH_MS, REAL_SERVES } from './layout.js';
import { Neighbours } from './neighbours.js';
import type { Inherited } from './pinned-path.js';
import { addressOf, type RealState, Reals, stateOf } from './reals.js';
import { addressBytes, controlValueOf, epochOf, type Real, realOf } from './record.js';
import type { ControlTables } from './tables.js';
import { type Vip, VipEntries } from './vips.js';

export interface ControllerOptions {
  readonly tables: ControlTables;
  /** Size of a Maglev table. */
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
/** A server that has not answered for that long from the start is worth a line. */
const SILENCE_MS = 2000;

export class Controller {
  readonly #options: ControllerOptions;
  readonly #neighbours: Neighbours;
  readonly #reals: Reals;
  readonly #vipEntries: VipEntries;
  #configuration: Configuration;
  #vips: readonly Vip[];
  #acl = new Map<string, AclRecord>();
  /** By slot, as the tables have it. */
  #withheld = new Uint8Array(0);
  /** Servers that answered an earlier process; until they are watched. */
  readonly #known: Real[] = [];
  /** Whether the reals may differ from what is written. */
  #isStale = true;
  #role: DsrRole;
  #epoch = 0;
  #nextEpochMs = 0;
  #announcements: number;
  #nextAnnouncementMs = 0;
  /** Servers that people have been told about: address -> whether it answers, or since when that is awaited. */
  readonly #told = new Map<string, boolean | number>();
  #awaited = 0;
  /** What has been added to `servers` so far, by slot. */
  readonly #counted = new Map<number, number>();
  #nowMs = 0;

  constructor(options: ControllerOptions, vips: readonly Vip[], configuration: Configuration) {
    this.#options = options;
    this.#vips = vips;
    this.#configuration = configuration;
    this.#neighbours = new Neighbours(options);
    this.#reals = new Reals(options.tables, options.slots);
    this.#vipEntries = new VipEntries(options.tables);
    this.#role = options.role;
    this.#announcements = options.role === 'master' ? ANNOUNCEMENTS : 0;
    if (options.inherited) this.#inherit(options.inherited);
  }

  get vips(): readonly Vip[] {
    return this.#vips;
  }

  /** Obeys a configuration and, if given, other VIPs. Throws a DsrError that says what cannot be done, before anything is. */
  configure(configuration: Configuration, nowMs: number, vips = this.#vips): void {
    const acl = aclRecordsOf(configuration);
    if (vips !== this.#vips && this.#role === 'master') this.#announcements = ANNOUNCEMENTS;
    this.#configuration = configuration;
    this.#vips = vips;
    const specs = [...configuration.servers, configuration.emergency, configuration.abuse];
    const addresses = specs.map((spec) => addressOf(spec?.endpoint)).filter((address) => address !== undefined);
    this.#neighbours.watch(addresses);
    for (const { address, mac } of this.#known.splice(0)) this.#neighbours.assume(address, mac);
    for (const { key, value } of acl.values()) this.#options.tables.setAcl(key, value);
    this.#isStale = true;
    this.turn(nowMs);
    // Last, as it opens the door; and nobody is asked for a list that is gone.
    if (this.#vipEntries.apply(vips, configuration, this.#role !== 'master')) this.#options.vipsChanged();
    for (const [name, { key }] of this.#acl) if (!acl.has(name)) this.#options.tables.deleteAcl(key);
    this.#acl = acl;
  }

  get role(): DsrRole {
    return this.#role;
  }

  /** Answers for the VIPs from now on, and tells the link so; or leaves that to others. */
  take(role: DsrRole, nowMs: number): void {
    if (role === this.#role) return;
    this.#role = role;
    // Programs that know VIPs by heart look this up all the same.
    this.#vipEntries.apply(this.#vips, this.#configuration, role !== 'master');
    this.#announcements = role === 'master' ? TAKEOVER_ANNOUNCEMENTS : 0;
    this.#nowMs = nowMs;
    if (role === 'master') this.announce();
  }

  /** A frame that came for the interface and may be an answer. */
  received(frame: Uint8Array): void {
    if (this.#neighbours.received(frame)) this.#isStale = true;
  }

  /** Asks, gives up, notices, announces: whatever is due. */
  turn(nowMs: number): void {
    this.#nowMs = nowMs;
    if (this.#neighbours.tick(nowMs)) this.#isStale = true;
    if (this.#withholdingHasChanged()) this.#isStale = true;
    if (this.#isStale) this.#writeReals();
    if (this.#isStale || this.#awaited > 0) this.#tell();
    this.#isStale = false;
    if (nowMs >= this.#nextEpochMs) this.#beginEpoch(nowMs);
    if (this.#announcements > 0 && nowMs >= this.#nextAnnouncementMs) this.announce();
  }

  /** Tells the link that the VIPs are here. */
  announce(): void {
    const { mac, send } = this.#options;
    for (const { endpoint } of this.#vips) {
      const address = addressBytes(endpoint.address);
      send(isV4(endpoint.address) ? arpAnnouncement(mac, address.slice(12)) : ndpAnnouncement(mac, address));
    }
    this.#announcements = Math.max(0, this.#announcements - 1);
    this.#nextAnnouncementMs = this.#nowMs + ANNOUNCE_INTERVAL_MS;
  }

  /** Brings the bytes that `servers` shows up to date. */
  collect(): void {
    const { tables, servers } = this.#options;
    for (const slot of this.#configuration.servers.keys()) {
      const { bytes } = tables.realTraffic(slot + 1);
      const more = bytes - (this.#counted.get(slot) ?? 0);
      if (more <= 0) continue;
      servers.addSent(slot, more);
      this.#counted.set(slot, bytes);
    }
  }

  stateOf(slot: number): RealState {
    return stateOf(this.#configuration, slot, this.#standing);
  }

  /** Of the emergency or abuse server. */
  spareStateOf(spec: ServerSpec | undefined): string {
    const address = addressOf(spec?.endpoint);
    return address && this.#neighbours.at(address)?.isAlive ? 'in-service' : 'silent';
  }

  macOf(address: IpWords): Uint8Array | undefined {
    return this.#neighbours.at(address)?.mac;
  }

  /** Whether every server that is one has answered. */
  get isComplete(): boolean {
    const { servers } = this.#configuration;
    return servers.every(({ endpoint }) => {
      const address = addressOf(endpoint);
      return address === undefined || this.#neighbours.at(address)?.isAlive === true;
    });
  }

  /** Slots of the Maglev table by real number. */
  shares(): ReadonlyMap<number, number> {
    const shares = new Map<number, number>();
    for (const real of this.#reals.table) shares.set(real, (shares.get(real) ?? 0) + 1);
    return shares;
  }

  get #standing() {
    return {
      isBlacklisted: (slot: number) => this.#options.servers.blacklistedUntil(slot) > this.#nowMs,
      isDraining: (slot: number) => this.#options.servers.isDraining(slot),
      macOf: (address: IpWords) => {
        const neighbour = this.#neighbours.at(address);
        return neighbour?.isAlive ? neighbour.mac : undefined;
      },
    };
  }

  #inherit({ control, reals }: Inherited): void {
    this.#epoch = epochOf(control);
    const records = reals.map(([key, value]): [number, Real] => [
      new DataView(key.buffer, key.byteOffset).getUint32(0, true),
      realOf(value),
    ]);
    this.#reals.inherit(records);
    this.#known.push(...records.map(([, real]) => real).filter(({ state }) => (state & REAL_SERVES) !== 0));
  }

  #writeReals(): void {
    const indices = this.#vips.map(({ index }) => index);
    this.#reals.apply(this.#configuration, this.#standing, indices);
  }

  #beginEpoch(nowMs: number): void {
    const { tables, mac, seed } = this.#options;
    tables.setControl(controlValueOf({ mac, seed, epoch: ++this.#epoch }));
    this.#nextEpochMs = nowMs + EPOCH_MS;
  }

  /** A line for each server that comes, goes, or was never there. */
  #tell(): void {
    const { interfaceName, log } = this.#options;
    this.#awaited = 0;
    for (const [slot, { endpoint }] of this.#configuration.servers.entries()) {
      const address = addressOf(endpoint);
      if (!address) continue;
      const text = formatIp(address);
      const before = this.#told.get(text) ?? this.#nowMs;
      const isAlive = this.#neighbours.at(address)?.isAlive === true;
      if (isAlive && before !== true) {
        if (before === false) log(`server ${slot} (${text}) answers again on '${interfaceName}'`);
        this.#told.set(text, true);
      } else if (!isAlive && before === true) {
        log(`server ${slot} (${text}) has stopped answering on '${interfaceName}', its flows go elsewhere`);
        this.#told.set(text, false);
      } else if (!isAlive && typeof before === 'number') {
        const isLate = this.#nowMs - before >= SILENCE_MS;
        if (isLate) log(`server ${slot} (${text}) does not answer on '${interfaceName}' (is it on that link?)`);
        this.#told.set(text, isLate ? false : before);
        if (!isLate) this.#awaited++;
      }
    }
  }

  #withholdingHasChanged(): boolean {
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

/** The entries of `acl` for the list that clients must be permitted by, by key. */
function aclRecordsOf({ acls, settings }: Configuration): Map<string, AclRecord> {
  const entries = acls[settings.clientAcl] ?? [];
  const records = entries.length === 0 ? [] : aclRecords(new Map([[settings.clientAcl, entries]]));
  if (typeof records === 'string') throw new DsrError(records);
  return new Map(records.map((record) => [Buffer.from(record.key).toString('latin1'), record]));
}
