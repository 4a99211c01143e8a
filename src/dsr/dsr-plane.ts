/**
 * Direct server return as a data plane: the control plane gives it configurations and looks at its tables as it does
 * with the proxy's. The packets are the kernel's affair; here a timer looks after servers, a few times a second.
 */
import { randomInt } from 'node:crypto';
import { availableParallelism } from 'node:os';
import { setTimeout as sleep } from 'node:timers/promises';
import { type Endpoint, formatIp, type IpEndpoint, type IpWords, ipEndpoint } from '../core/address.js';
import { ClientTable } from '../core/client-table.js';
import type { Configuration, DsrMode, DsrRole } from '../core/configuration.js';
import { maglevSize } from '../core/selection/maglev.js';
import { ServerState } from '../core/server-state.js';
import type { Vip } from '../core/vip.js';
import { formatMac } from '../frame/ethernet.js';
import type { ConnectionSnapshot, DataPlane, FrameView, RealSnapshot, VipSnapshot } from '../proxy/data-plane.js';
import { Transparency } from '../proxy/transparency.js';
import { monotonicMs } from '../sys/clock.js';
import { interfaceMtu } from '../sys/network-interface.js';
import { ownAddresses as hostAddresses } from '../sys/own-address.js';
import { NO_TLS_COUNTS, type TlsCounts } from '../tls/counts.js';
import { choosePath } from './choose-path.js';
import { Controller } from './controller.js';
import { DsrError } from './errors.js';
import { explain, formatQuestion } from './explain.js';
import { GroupMembership } from './group-membership.js';
import { macOf, ownAddresses, sourceOf, tunnelSource, vethWarning } from './interface-facts.js';
import { ABUSE_REAL, type Dimensions, defaultDimensions, EMERGENCY_REAL, NO_REAL, OUTCOME_NAMES } from './layout.js';
import { LinkProbes } from './link-probes.js';
import type { Link, Path } from './path.js';
import { programOptions } from './program-options.js';
import type { FarOptions } from './reach.js';
import { describe, type Reported, realsOf, vipsOf } from './report.js';
import { farServers, requireServices, requireVip } from './requirements.js';
import { pagesToMake, requireRoom } from './room.js';
import { listenVip, pagesFor, targetOf } from './services.js';
import { hasTarpit, requireTarpitApart } from './tarpit-list.js';
import { VipClaims } from './vip-claims.js';
import { Ways } from './ways.js';

/** Between two looks; a change of blacklists by command is not kept waiting for it. */
const TURN_MS = 100;
/** Between two looks at the interface itself. */
const LOOK_MS = 1000;
/** At the start, so long may servers take to answer before clients are let in. */
const FIRST_ANSWERS_MS = 1000;
/** Lines about servers that cannot be reached; more of them are counted. */
const MOST_FAR = 20;
/** The same on every balancer and at every start, so that they agree and clients stay where they were. */
const SEED = 0x50454e31;

export interface DsrOptions {
  readonly configuration: Configuration;
  /** The VIP of the server table; undefined if there is none but those of `dsr_vip`. */
  readonly listen: Endpoint | undefined;
  readonly interfaceName: string;
  readonly mode: DsrMode;
  /** Where, in a bpffs, packets are sent on beyond the end of the process; undefined if they are not to be. */
  readonly pinDirectory: string | undefined;
  /** UDP, not TCP. */
  readonly udp: boolean;
  /** The process stays root and may load other programs while it runs. */
  readonly mayLoad: boolean;
  log(line: string): void;
  /** The timer met what it can't mend. */
  failed(error: Error): void;
}

/** Resolves when packets are sent on; rejects with a DsrError, SystemError or BpfError, leaving nothing behind. */
export async function startDsr(options: DsrOptions): Promise<DsrPlane> {
  const { interfaceName, configuration, udp } = options;
  const mac = macOf(interfaceName);
  const own = foreignTo(configuration, interfaceName);
  const listen = options.listen && listenVip(requireVip(options.listen, interfaceName, own), udp);
  requireServices(configuration, listen, { interfaceName, own });
  requireTarpitApart(configuration, listen);
  const slots = maglevSize(configuration.servers.length);
  const size = { ...defaultDimensions, pages: pagesToMake(pagesFor(configuration, slots)) };
  const all = { ipv4: true, ipv6: true, vlan: true, acl: true, tunnels: true, prefixes: true, tarpit: true };
  const { mode, pinDirectory, log, failed } = options;
  const random = () => randomInt(2 ** 32);
  const threads = configuration.settings.threads || availableParallelism();
  const path = choosePath({ mode, pinDirectory, interfaceName, size, threads, program: all, random, log, failed });
  const warning = path.mode === 'native' ? vethWarning(interfaceName) : undefined;
  if (warning !== undefined) log(warning);
  let probes: Link | undefined;
  let groups: GroupMembership | undefined;
  // Of a program the kernel lets an interface have one, of packet sockets any number.
  const claims = path.mode === 'packet' ? new VipClaims(interfaceName) : undefined;
  try {
    claims?.take(claimedBy(configuration, listen));
    probes = path.link ?? new LinkProbes(interfaceName);
    groups = new GroupMembership(interfaceName);
    const plane = new DsrPlane(options, { path, claims, probes, groups, size, slots, listen, mac });
    await plane.begin();
    return plane;
  } catch (error) {
    probes?.close();
    groups?.close();
    await path.close();
    claims?.close();
    throw error;
  }
}

interface Parts {
  readonly path: Path;
  readonly claims: VipClaims | undefined;
  readonly probes: Link;
  readonly groups: GroupMembership;
  readonly size: Dimensions;
  readonly slots: number;
  readonly listen: Vip | undefined;
  readonly mac: Uint8Array;
}

export class DsrPlane implements DataPlane, FrameView {
  readonly engine = 'xdp';
  readonly frames = this;
  readonly servers = new ServerState(ServerState.allocate());
  readonly clients = new ClientTable(ClientTable.allocate(0));
  readonly transparency = new Transparency(Transparency.allocate()).counters;
  /** No connections pass through here, so there is nothing to log. */
  readonly logRings = [];
  readonly #options: DsrOptions;
  readonly #path: Path;
  readonly #claims: VipClaims | undefined;
  readonly #probes: Link;
  readonly #groups: GroupMembership;
  readonly #size: Dimensions;
  readonly #slots: number;
  readonly #controller: Controller;
  #mac: Uint8Array;
  #configuration: Configuration;
  #listen: Vip | undefined;
  #timer: NodeJS.Timeout | undefined;
  #isTurning = false;
  #nextLookMs = 0;
  #sourceV6: Uint8Array | undefined;
  #isDetached = false;
  #ownAddresses: string | undefined;
  /** Own addresses have changed and the tarpit could not follow, which has been said. */
  #isTarpitLate = false;
  /** Where tunnels begin. */
  #sources: { 4?: IpWords | undefined; 6?: IpWords | undefined } = {};
  #interfaceMtu = 0;
  #usesTunnels = false;
  readonly #ways: Ways;

  constructor(options: DsrOptions, { path, claims, probes, groups, size, slots, listen, mac }: Parts) {
    const { interfaceName, configuration } = options;
    this.#options = options;
    this.#ways = new Ways(interfaceName);
    this.#path = path;
    this.#claims = claims;
    this.#probes = probes;
    this.#groups = groups;
    this.#size = size;
    this.#slots = slots;
    this.#mac = mac;
    this.#configuration = configuration;
    this.#listen = listen;
    const { servers } = this;
    const { tables } = path;
    const sourceV6 = () => this.#sourceV6;
    const log = options.log;
    const send = (frame: Uint8Array) => probes.send(frame);
    const vipsChanged = () => this.#specialise();
    const { inherited } = path;
    const role = this.#roleAtStart();
    const tunnelsChanged = (areUsed: boolean) => {
      this.#usesTunnels = areUsed;
      if (areUsed) probes.hearTunnels();
      this.#lookAtTunnels();
      this.#specialise();
    };
    const far: FarOptions = {
      token: randomInt(2 ** 32),
      source: (family) => this.#sources[family],
      interfaceMtu: () => this.#interfaceMtu,
      way: (address) => this.#ways.to(address),
    };
    this.#controller = new Controller(
      {
        tables,
        slots,
        seed: SEED,
        mac,
        tarpitKey: [randomInt(2 ** 32), randomInt(2 ** 32)],
        ownAddresses: () => hostAddresses(),
        sourceV6,
        far,
        servers,
        interfaceName,
        send,
        log,
        vipsChanged,
        role,
        inherited,
        tunnelsChanged,
      },
      configuration,
    );
    const lost = farServers(configuration, interfaceName, ownAddresses(interfaceName));
    for (const line of lost.slice(0, MOST_FAR)) options.log(line);
    if (lost.length > MOST_FAR)
      options.log(`${lost.length - MOST_FAR} servers more are in no network of '${interfaceName}'`);
  }

  /** Asks the servers who they are before clients come, then lets them in. */
  async begin(): Promise<void> {
    const controller = this.#controller;
    const deadline = monotonicMs() + FIRST_ANSWERS_MS;
    this.#lookAtInterface(monotonicMs());
    controller.configure(this.#configuration, this.#listen, monotonicMs());
    this.#groups.follow(controller.services, this.#configuration);
    while (!controller.isComplete && monotonicMs() < deadline) {
      await sleep(5);
      this.#turn();
    }
    controller.open(monotonicMs());
    for (; controller.isBusy; this.#turn()) await sleep(0);
    this.#rememberRole();
    this.#path.commit?.();
    this.#timer = setInterval(() => this.#turnOrFail(), TURN_MS);
  }

  /** None but where packets go through this process. */
  get threads(): number {
    return this.#path.threads ?? 0;
  }

  get engineReason(): string {
    const { mode, modeReason } = this.#path;
    return `${mode} mode on ${this.#options.interfaceName}, ${modeReason}`;
  }

  get listening(): Endpoint | undefined {
    return this.#listen && ipEndpoint(this.#listen.address, this.#listen.port);
  }

  configure(configuration: Configuration): void {
    this.#obey(configuration, this.#listen);
  }

  async listen(endpoint: Endpoint, next: Configuration): Promise<void> {
    const { interfaceName, udp } = this.#options;
    const vip = requireVip(endpoint, interfaceName, foreignTo(next, interfaceName));
    this.#obey(next, listenVip(vip, udp));
  }

  /** Both at once: a port of the VIP and those of its servers change together. */
  #obey(configuration: Configuration, listen: Vip | undefined): void {
    const { interfaceName } = this.#options;
    const checked = listen === this.#listen ? this.#configuration.vips : undefined;
    requireServices(configuration, listen, { interfaceName, own: foreignTo(configuration, interfaceName), checked });
    requireTarpitApart(configuration, listen);
    requireRoom(pagesFor(configuration, this.#slots), this.#size);
    this.#claims?.take(claimedBy(configuration, listen));
    const before = this.#configuration;
    this.#configuration = configuration;
    try {
      this.#controller.configure(configuration, listen, monotonicMs());
    } catch (error) {
      this.#configuration = before;
      this.#claims?.keep(claimedBy(before, this.#listen));
      throw error;
    }
    this.#listen = listen;
    this.#claims?.keep(claimedBy(configuration, listen));
    const { dsrRole } = configuration.settings;
    if (dsrRole !== before.settings.dsrRole) this.#become(dsrRole);
    this.#groups.follow(this.#controller.services, configuration);
    this.#turnSoon();
  }

  /** Blacklists take effect, and the servers' bytes are counted. */
  refresh(): void {
    this.#turnOrFail();
    this.#controller.collect();
  }

  /** What `penctl dsr` shows. */
  async describe(): Promise<string> {
    const lines = [`role ${this.#controller.role}`, ...this.#path.describe()].map((line) => `${line}\n`);
    return `${await describe(this.#reported)}${lines.join('')}`;
  }

  reals(): RealSnapshot[] {
    return realsOf(this.#reported);
  }

  vips(): VipSnapshot[] {
    return vipsOf(this.#reported);
  }

  get #reported(): Reported {
    const { interfaceName } = this.#options;
    const { tables, mode } = this.#path;
    return {
      interfaceName,
      mode,
      mac: this.#mac,
      size: this.#size,
      tables,
      controller: this.#controller,
      configuration: this.#configuration,
    };
  }

  take(role: 'master' | 'standby'): void {
    if (this.#controller.role === 'auto') {
      throw new DsrError('the role is auto: who has the VIP among its addresses is master (dsr_role standby first)');
    }
    this.#become(role);
  }

  detach(): string | undefined {
    clearInterval(this.#timer);
    this.#timer = undefined;
    this.#isDetached = true;
    const left = this.#path.detach?.();
    this.#options.log(`detached from '${this.#options.interfaceName}'${left === undefined ? '' : `; ${left}`}`);
    return left;
  }

  explain(source: IpEndpoint, destination: IpEndpoint, protocol: 'tcp' | 'udp'): string {
    const question = { source, destination, protocol };
    const { outcome, real, why } = explain(question, this.#path.tables);
    const where =
      real === NO_REAL
        ? outcome.replace(/^(pass|drop|tx)(?!Tarpit).*|^drop(Tarpit)$/, '$1$2').toLowerCase()
        : this.#nameOf(real);
    return `${formatQuestion(question)}: ${where} (${why})`;
  }

  /** There are no workers; what is open stays open. */
  async reduceCapabilities(): Promise<void> {}

  /** There are none: servers speak to clients themselves. */
  tlsCounts(): TlsCounts {
    return NO_TLS_COUNTS;
  }

  /** Of frames to the VIP; `penctl dsr` tells of those that pass too. */
  drops(): [string, number][] {
    const counts = this.#path.tables.outcomes();
    return OUTCOME_NAMES.flatMap((name, outcome): [string, number][] =>
      name.startsWith('drop') ? [[name.slice('drop'.length).toLowerCase(), counts[outcome]]] : [],
    );
  }

  idlers(): number {
    return 0;
  }

  connectionsInUse(): number {
    return 0;
  }

  workers(): [] {
    return [];
  }

  activeConnections(): [] {
    return [];
  }

  connection(): ConnectionSnapshot | undefined {
    return undefined;
  }

  connectionOfSocket(): number {
    return -1;
  }

  closeConnection(): boolean {
    return false;
  }

  async stop(): Promise<void> {
    clearInterval(this.#timer);
    this.#timer = undefined;
    this.#probes.close();
    this.#groups.close();
    this.#ways.close();
    await this.#path.close();
    this.#claims?.close();
  }

  /** `server 1 10.0.0.2 02:00:00:00:00:02`, without a number if it is in no row. */
  #nameOf(real: number): string {
    const { emergency, abuse } = this.#configuration;
    const spare = real === EMERGENCY_REAL ? emergency : real === ABUSE_REAL ? abuse : undefined;
    const member = this.#controller.memberOf(real);
    const target = spare ? targetOf(spare) : member;
    const mac = target && this.#controller.macOf(target);
    const tunnel = target ? this.#controller.tunnelOf(target) : '';
    const way = tunnel === '' ? '' : ` ${tunnel}`;
    const row = member && member.slot >= 0 ? ` ${member.slot}` : '';
    const name = spare === undefined ? `server${row}` : spare === emergency ? 'emergency server' : 'abuse server';
    return `${name} ${target ? formatIp(target.address) : '?'}${way} ${mac ? formatMac(mac) : '?'}`;
  }

  #turn(): void {
    const now = monotonicMs();
    if (now >= this.#nextLookMs) this.#lookAtInterface(now);
    this.#probes.drain((frame) => this.#controller.received(frame));
    this.#controller.turn(now);
  }

  /** It may come up, and get its addresses, after us; and it may go. */
  #lookAtInterface(nowMs: number): void {
    const { interfaceName } = this.#options;
    if (!this.#path.isAttached) {
      throw new DsrError(
        `cannot return directly on '${interfaceName}' any more: the interface has gone, or has another name, or its program was taken off (start pen again when it is back)`,
      );
    }
    this.#path.look?.();
    const own = ownAddresses(interfaceName);
    this.#sourceV6 = sourceOf(own);
    this.#sources = { 4: tunnelSource(own, 4), 6: tunnelSource(own, 6) };
    this.#lookAtTunnels();
    this.#followOwnAddresses(nowMs);
    this.#followMac(nowMs);
    this.#groups.follow(this.#controller.services, this.#configuration);
    this.#nextLookMs = nowMs + LOOK_MS;
  }

  /** An address that the balancer is given is in no tarpit any more. */
  #followOwnAddresses(nowMs: number): void {
    const addresses = hostAddresses().map(formatIp).join();
    const isChanged = this.#ownAddresses !== undefined && this.#ownAddresses !== addresses;
    this.#ownAddresses = addresses;
    if (!isChanged || !hasTarpit(this.#configuration)) return;
    try {
      this.#controller.configure(this.#configuration, this.#listen, nowMs);
      this.#isTarpitLate = false;
    } catch (error) {
      // With one address more the lists do not fit; nobody asked for that, so what is in force stays, and packets flow.
      if (!(error instanceof DsrError)) throw error;
      if (!this.#isTarpitLate)
        this.#options.log(`the tarpit does not follow this host's own addresses: ${error.message}`);
      this.#isTarpitLate = true;
    }
  }

  /** As configured, unless an earlier process with the same setting has been told otherwise since. */
  #roleAtStart(): DsrRole {
    const configured = this.#configuration.settings.dsrRole;
    const before = this.#path.inherited?.roles;
    if (configured === 'auto' || before?.configured !== configured || before.told === configured) return configured;
    this.#options.log(`${before.told} for the VIPs on '${this.#options.interfaceName}', as pen was told before`);
    return before.told;
  }

  #rememberRole(): void {
    this.#path.remember?.({ configured: this.#configuration.settings.dsrRole, told: this.#controller.role });
  }

  #become(role: DsrRole): void {
    const before = this.#controller.role;
    this.#controller.take(role, monotonicMs());
    this.#rememberRole();
    if (role !== before) this.#options.log(`${role} for the VIPs on '${this.#options.interfaceName}' (was ${before})`);
  }

  #lookAtTunnels(): void {
    if (this.#usesTunnels && process.platform === 'linux')
      this.#interfaceMtu = interfaceMtu(this.#options.interfaceName);
  }

  #turnOrFail(): void {
    if (this.#isDetached) return;
    try {
      this.#turn();
      this.#turnSoon();
    } catch (error) {
      clearInterval(this.#timer);
      this.#options.failed(error as Error);
    }
  }

  /** Somebody may give the interface another address (`ip link set address`, a bond's failover). */
  #followMac(nowMs: number): void {
    const { interfaceName, log } = this.#options;
    const mac = macOf(interfaceName);
    if (Buffer.compare(mac, this.#mac) === 0) return;
    log(`'${interfaceName}' has another MAC address now, ${formatMac(mac)}: the VIPs are announced again`);
    this.#mac = mac;
    this.#controller.moveTo(mac, nowMs);
  }

  /** What a turn has left is not kept waiting for the timer, but others come in between. */
  #turnSoon(): void {
    if (!this.#controller.isBusy || this.#isTurning || this.#timer === undefined) return;
    this.#isTurning = true;
    setImmediate(() => {
      this.#isTurning = false;
      if (this.#timer !== undefined) this.#turnOrFail();
    });
  }

  /** A program made for what is there is faster; a process that may load none keeps the one that can do all. */
  #specialise(): void {
    if (!this.#options.mayLoad) return;
    const tunnels = this.#usesTunnels;
    this.#path.specialise({ ...programOptions(this.#controller.services, this.#configuration), tunnels });
  }
}

/** LISTEN and those of `dsr_vip`. */
function claimedBy({ vips }: Configuration, listen: Vip | undefined): readonly Vip[] {
  return listen ? [listen, ...vips] : vips;
}

/** What a VIP may not be: with `auto` it is the host's while this is the master. */
function foreignTo({ settings }: Configuration, interfaceName: string): IpWords[] {
  return settings.dsrRole === 'auto' ? [] : hostAddresses(interfaceName);
}
