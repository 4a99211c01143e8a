/**
 * Direct server return as a data plane: the control plane gives it configurations and looks at its tables as it does
 * with the proxy's. The packets are the kernel's affair; here a timer looks after servers, a few times a second.
 */
import { networkInterfaces } from 'node:os';
import { setTimeout as sleep } from 'node:timers/promises';
import { type Endpoint, formatIp, type IpEndpoint, isV4, parseIp } from '../core/address.js';
import { ClientTable } from '../core/client-table.js';
import type { Configuration, DsrMode, DsrRole } from '../core/configuration.js';
import { maglevSize } from '../core/selection/maglev.js';
import { ServerState } from '../core/server-state.js';
import { formatMac } from '../frame/ethernet.js';
import { PROTOCOL } from '../frame/protocol.js';
import type { ConnectionSnapshot, DataPlane, FrameView, RealSnapshot } from '../proxy/data-plane.js';
import { Transparency } from '../proxy/transparency.js';
import { monotonicMs } from '../sys/clock.js';
import { SystemError } from '../sys/errno.js';
import { interfaceMac } from '../sys/network-interface.js';
import { NO_TLS_COUNTS, type TlsCounts } from '../tls/counts.js';
import { choosePath } from './choose-path.js';
import { Controller } from './controller.js';
import { DsrError } from './errors.js';
import { explain, formatQuestion } from './explain.js';
import {
  ABUSE_REAL,
  type Dimensions,
  defaultDimensions,
  EMERGENCY_REAL,
  NO_REAL,
  OUTCOME_NAMES,
  PAGE_SLOTS,
  type ProgramOptions,
} from './layout.js';
import { LinkProbes } from './link-probes.js';
import type { Link, Path } from './path.js';
import { addressOf } from './reals.js';
import { addressBytes } from './record.js';
import { describe, type Reported, realsOf } from './report.js';
import { farServers, type OwnAddress, requireServers, requireVip } from './requirements.js';
import type { Vip } from './vips.js';

/** Between two looks; a change of blacklists by command is not kept waiting for it. */
const TURN_MS = 100;
/** Between two looks at the interface itself. */
const LOOK_MS = 1000;
/** At the start, so long may servers take to answer before clients are let in. */
const FIRST_ANSWERS_MS = 1000;
/** The same on every balancer and at every start, so that they agree and clients stay where they were. */
const SEED = 0x50454e31;

export interface DsrOptions {
  readonly configuration: Configuration;
  /** The VIP. */
  readonly listen: Endpoint;
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
  const { interfaceName, configuration } = options;
  const mac = macOf(interfaceName);
  const vip = requireVip(options.listen, interfaceName, foreignTo(configuration, interfaceName));
  requireServers(configuration, vip);
  const slots = maglevSize(configuration.servers.length);
  const size = { ...defaultDimensions, pages: Math.max(defaultDimensions.pages, 4 * Math.ceil(slots / PAGE_SLOTS)) };
  const all = { ipv4: true, ipv6: true, vlan: true, acl: true, tunnels: true, prefixes: true };
  const { mode, pinDirectory, log, failed } = options;
  const path = choosePath({ mode, pinDirectory, interfaceName, size, program: all, log, failed });
  let probes: Link | undefined;
  try {
    probes = path.link ?? new LinkProbes(interfaceName);
    const plane = new DsrPlane(options, { path, probes, size, slots, vip, mac });
    await plane.begin();
    return plane;
  } catch (error) {
    probes?.close();
    await path.close();
    throw error;
  }
}

interface Parts {
  readonly path: Path;
  readonly probes: Link;
  readonly size: Dimensions;
  readonly slots: number;
  readonly vip: IpEndpoint;
  readonly mac: Uint8Array;
}

export class DsrPlane implements DataPlane, FrameView {
  readonly engine = 'xdp';
  readonly frames = this;
  readonly threads = 0;
  readonly servers = new ServerState(ServerState.allocate());
  readonly clients = new ClientTable(ClientTable.allocate(0));
  readonly transparency = new Transparency(Transparency.allocate()).counters;
  /** No connections pass through here, so there is nothing to log. */
  readonly logRings = [];
  readonly #options: DsrOptions;
  readonly #path: Path;
  readonly #probes: Link;
  readonly #size: Dimensions;
  readonly #mac: Uint8Array;
  readonly #controller: Controller;
  #configuration: Configuration;
  #vip: IpEndpoint;
  #timer: NodeJS.Timeout | undefined;
  #nextLookMs = 0;
  #sourceV6: Uint8Array | undefined;
  #isDetached = false;

  constructor(options: DsrOptions, { path, probes, size, slots, vip, mac }: Parts) {
    const { interfaceName, configuration } = options;
    this.#options = options;
    this.#path = path;
    this.#probes = probes;
    this.#size = size;
    this.#mac = mac;
    this.#configuration = configuration;
    this.#vip = vip;
    const { servers } = this;
    const { tables } = path;
    const own = ownAddresses(interfaceName);
    const sourceV6 = () => this.#sourceV6;
    const log = options.log;
    const send = (frame: Uint8Array) => probes.send(frame);
    const vipsChanged = () => this.#specialise();
    const { inherited } = path;
    const role = this.#roleAtStart();
    this.#controller = new Controller(
      {
        tables,
        slots,
        seed: SEED,
        mac,
        sourceV6,
        servers,
        interfaceName,
        send,
        log,
        vipsChanged,
        role,
        inherited,
      },
      [],
      configuration,
    );
    for (const line of farServers(configuration, interfaceName, own)) options.log(line);
  }

  /** Asks the servers who they are before clients come, then lets them in. */
  async begin(): Promise<void> {
    const controller = this.#controller;
    const deadline = monotonicMs() + FIRST_ANSWERS_MS;
    this.#lookAtInterface(monotonicMs());
    controller.configure(this.#configuration, monotonicMs(), []);
    while (!controller.isComplete && monotonicMs() < deadline) {
      await sleep(5);
      this.#turn();
    }
    controller.configure(this.#configuration, monotonicMs(), [this.#asVip(this.#vip)]);
    this.#rememberRole();
    this.#path.commit?.();
    this.#timer = setInterval(() => this.#turnOrFail(), TURN_MS);
  }

  get engineReason(): string {
    const { mode, modeReason } = this.#path;
    return `${mode} mode on ${this.#options.interfaceName}, ${modeReason}`;
  }

  get listening(): Endpoint {
    return this.#vip;
  }

  configure(configuration: Configuration): void {
    requireServers(configuration, this.#vip);
    const before = this.#configuration;
    this.#configuration = configuration;
    try {
      this.#controller.configure(configuration, monotonicMs());
    } catch (error) {
      this.#configuration = before;
      throw error;
    }
    const { dsrRole } = configuration.settings;
    if (dsrRole !== before.settings.dsrRole) this.#become(dsrRole);
  }

  async listen(endpoint: Endpoint): Promise<void> {
    const { interfaceName } = this.#options;
    const vip = requireVip(endpoint, interfaceName, foreignTo(this.#configuration, interfaceName));
    requireServers(this.#configuration, vip);
    this.#vip = vip;
    this.#controller.configure(this.#configuration, monotonicMs(), [this.#asVip(vip)]);
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
    this.#isDetached = true;
    const left = this.#path.detach?.();
    this.#options.log(`detached from '${this.#options.interfaceName}'${left === undefined ? '' : `; ${left}`}`);
    return left;
  }

  explain(source: IpEndpoint, destination: IpEndpoint, protocol: 'tcp' | 'udp'): string {
    const question = { source, destination, protocol };
    const { outcome, real, why } = explain(question, this.#path.tables);
    const where = real === NO_REAL ? outcome.replace(/^(pass|drop|tx).*/, '$1') : this.#nameOf(real);
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
    this.#probes.close();
    await this.#path.close();
  }

  /** `server 1 10.0.0.2 02:00:00:00:00:02` */
  #nameOf(real: number): string {
    const { servers, emergency, abuse } = this.#configuration;
    const [name, spec] =
      real === EMERGENCY_REAL
        ? ['emergency server', emergency]
        : real === ABUSE_REAL
          ? ['abuse server', abuse]
          : [`server ${real - 1}`, servers[real - 1]];
    const address = addressOf(spec?.endpoint);
    const mac = address && this.#controller.macOf(address);
    return `${name} ${address ? formatIp(address) : '?'} ${mac ? formatMac(mac) : '?'}`;
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
        `cannot return directly on '${interfaceName}' any more: the interface has gone, or its program was taken off (start pen again when it is back)`,
      );
    }
    this.#sourceV6 = sourceOf(ownAddresses(interfaceName));
    this.#nextLookMs = nowMs + LOOK_MS;
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
    } catch (error) {
      clearInterval(this.#timer);
      this.#options.failed(error as Error);
    }
  }

  #asVip(endpoint: IpEndpoint): Vip {
    return { index: 0, endpoint, protocol: this.#options.udp ? PROTOCOL.udp : PROTOCOL.tcp };
  }

  /** A program made for what is there is faster; a process that may load none keeps the one that can do all. */
  #specialise(): void {
    if (!this.#options.mayLoad) return;
    this.#path.specialise(programOptions(this.#vip, this.#configuration));
  }
}

function programOptions(vip: IpEndpoint, { settings, acls }: Configuration): ProgramOptions {
  const acl = (acls[settings.clientAcl]?.length ?? 0) > 0;
  return { ipv4: vip.family === 4, ipv6: vip.family === 6, vlan: true, acl, tunnels: false, prefixes: false };
}

function macOf(interfaceName: string): Uint8Array {
  try {
    const mac = interfaceMac(interfaceName);
    if (mac) return mac;
  } catch (error) {
    if (!(error instanceof SystemError) || error.code !== 'ENODEV') throw error;
    throw new DsrError(`cannot return directly on '${interfaceName}': no such interface`, { cause: error });
  }
  throw new DsrError(`cannot return directly on '${interfaceName}': it is no Ethernet`);
}

/** What a VIP may not be: with `auto` it is the host's while this is the master. */
function foreignTo({ settings }: Configuration, interfaceName: string): OwnAddress[] {
  return settings.dsrRole === 'auto' ? [] : ownAddresses(interfaceName);
}

function ownAddresses(interfaceName: string): OwnAddress[] {
  return networkInterfaces()[interfaceName] ?? [];
}

/** Of the IPv6 addresses the link-local one, which answers always reach. */
function sourceOf(own: readonly OwnAddress[]): Uint8Array | undefined {
  const all = own.map(({ address }) => parseIp(address.replace(/%.*/, ''))).filter((words) => words && !isV4(words));
  const linkLocal = all.find((words) => words && formatIp(words).startsWith('fe80:'));
  const words = linkLocal ?? all[0];
  return words && addressBytes(words);
}
