/**
 * Direct server return as a data plane: the control plane gives it configurations and looks at its tables as it does
 * with the proxy's. The packets are the kernel's affair; here a timer looks after servers, a few times a second.
 */
import { randomInt } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { type Endpoint, type IpEndpoint, ipEndpoint } from '../core/address.js';
import type { Configuration, DsrMode, DsrRole } from '../core/configuration.js';
import { ServerState } from '../core/server-state.js';
import type { Vip } from '../core/vip.js';
import { formatMac } from '../frame/ethernet.js';
import type { DataPlane, FrameSnapshot, FrameView, RealSnapshot, VipSnapshot } from '../proxy/data-plane.js';
import { monotonicMs } from '../sys/clock.js';
import { ownAddresses as hostAddresses } from '../sys/own-address.js';
import { Connectionless } from './connectionless.js';
import { Controller } from './controller.js';
import { DsrError } from './errors.js';
import { explain, formatQuestion } from './explain.js';
import type { GroupMembership } from './group-membership.js';
import { foreignTo, ownAddresses } from './interface-facts.js';
import { type Dimensions, NO_REAL, OUTCOME_NAMES } from './layout.js';
import type { OwnInterface } from './own-interface.js';
import type { Link, Path } from './path.js';
import { programOptions } from './program-options.js';
import type { FarOptions } from './reach.js';
import { describe, look, type Reported, realName, realsOf, vipsOf } from './report.js';
import { farServers, requireServices, requireVip } from './requirements.js';
import { requireRoom } from './room.js';
import { listenVip, pagesFor } from './services.js';
import { hasTarpit, requireTarpitApart } from './tarpit-list.js';
import { claimedBy, type VipClaims } from './vip-claims.js';

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

/** What a start has opened; the plane closes it. */
export interface Parts {
  readonly path: Path;
  readonly claims: VipClaims | undefined;
  readonly probes: Link;
  readonly groups: GroupMembership;
  readonly own: OwnInterface;
  readonly size: Dimensions;
  readonly slots: number;
  readonly listen: Vip | undefined;
}

export class DsrPlane extends Connectionless implements DataPlane, FrameView {
  readonly engine = 'xdp';
  readonly frames = this;
  readonly servers = new ServerState(ServerState.allocate());
  readonly #options: DsrOptions;
  readonly #path: Path;
  readonly #claims: VipClaims | undefined;
  readonly #probes: Link;
  readonly #groups: GroupMembership;
  readonly #own: OwnInterface;
  readonly #size: Dimensions;
  readonly #slots: number;
  readonly #controller: Controller;
  #configuration: Configuration;
  #listen: Vip | undefined;
  #timer: NodeJS.Timeout | undefined;
  #isTurning = false;
  #nextLookMs = 0;
  #isDetached = false;
  /** Own addresses have changed and the tarpit could not follow, which has been said. */
  #isTarpitLate = false;

  constructor(options: DsrOptions, { path, claims, probes, groups, own, size, slots, listen }: Parts) {
    super();
    const { interfaceName, configuration } = options;
    this.#options = options;
    this.#path = path;
    this.#claims = claims;
    this.#probes = probes;
    this.#groups = groups;
    this.#own = own;
    this.#size = size;
    this.#slots = slots;
    this.#configuration = configuration;
    this.#listen = listen;
    const { servers } = this;
    const { tables } = path;
    const sourceV6 = () => own.sourceV6;
    const log = options.log;
    const send = (frame: Uint8Array) => probes.send(frame);
    const vipsChanged = () => this.#specialise();
    const { inherited } = path;
    const role = this.#roleAtStart();
    const tunnelsChanged = (areUsed: boolean) => {
      if (areUsed) probes.hearTunnels();
      own.useTunnels(areUsed);
      this.#specialise();
    };
    const far: FarOptions = {
      token: randomInt(2 ** 32),
      source: (family) => own.tunnelSource(family),
      interfaceMtu: () => own.mtu,
      way: (address) => own.way(address),
    };
    this.#controller = new Controller(
      {
        tables,
        slots,
        seed: SEED,
        mac: own.mac,
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

  look(): Promise<FrameSnapshot> {
    return look(this.#reported, this.#path.describe());
  }

  async describe(): Promise<string> {
    return describe(await this.look());
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
      mac: this.#own.mac,
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
        : realName(this.#reported, real);
    return `${formatQuestion(question)}: ${where} (${why})`;
  }

  /** Of frames to the VIP; `penctl dsr` tells of those that pass too. */
  drops(): [string, number][] {
    const counts = this.#path.tables.outcomes();
    return OUTCOME_NAMES.flatMap((name, outcome): [string, number][] =>
      name.startsWith('drop') ? [[name.slice('drop'.length).toLowerCase(), counts[outcome]]] : [],
    );
  }

  async stop(): Promise<void> {
    clearInterval(this.#timer);
    this.#timer = undefined;
    this.#probes.close();
    this.#groups.close();
    this.#own.close();
    await this.#path.close();
    this.#claims?.close();
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
    this.#own.look();
    this.#followOwnAddresses(nowMs);
    this.#followMac(nowMs);
    this.#groups.follow(this.#controller.services, this.#configuration);
    this.#nextLookMs = nowMs + LOOK_MS;
  }

  /** An address that the balancer is given is in no tarpit any more. */
  #followOwnAddresses(nowMs: number): void {
    if (!this.#own.haveHostAddressesChanged() || !hasTarpit(this.#configuration)) return;
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

  #followMac(nowMs: number): void {
    if (!this.#own.hasMacChanged()) return;
    const { name, mac } = this.#own;
    this.#options.log(`'${name}' has another MAC address now, ${formatMac(mac)}: the VIPs are announced again`);
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
    const tunnels = this.#own.usesTunnels;
    this.#path.specialise({ ...programOptions(this.#controller.services, this.#configuration), tunnels });
  }
}
