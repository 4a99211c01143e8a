/** A Setup being edited: commands change the Draft, and only a Draft without problems becomes the next Setup. */
import type { AclEntry } from '../core/acl.js';
import type { Endpoint } from '../core/address.js';
import {
  type Configuration,
  type DsrMode,
  emptyConfiguration,
  emptySlot,
  type ServerSpec,
  type Settings,
} from '../core/configuration.js';
import { type Vip, vipName } from '../core/vip.js';
import type { EngineName } from '../engine/engine.js';
import { defaultTlsSettings, type TlsSettings } from '../tls/settings.js';
import { VipDraft } from './vip-draft.js';

/** An address to listen on, as written and as understood. */
export interface ListenAddress {
  readonly text: string;
  readonly endpoint: Endpoint;
  /** An address alone, which only direct server return can do with: every port of it. */
  readonly isPortless?: boolean;
}

/** Everything that the operator has asked for: the data plane's Configuration, and what concerns the control plane. */
export interface Setup {
  readonly configuration: Configuration;
  readonly listen: ListenAddress | undefined;
  /** File for the status page, written on USR1. */
  readonly webStats: string | undefined;
  /** `auto` unless one was asked for. */
  readonly engine: EngineName | 'auto';
  /** The interface for direct server return, undefined for a proxy. */
  readonly dsrInterface: string | undefined;
  readonly dsrMode: DsrMode;
  /** The directory in a bpffs where direct server return outlives the process. */
  readonly dsrPin: string | undefined;
  /** Where the admin pages are served; undefined: nowhere. */
  readonly admin: ListenAddress | undefined;
  readonly adminToken: AdminToken | undefined;
  readonly tls: TlsSettings;
}

/** What whoever asks for the admin pages has to know. */
export interface AdminToken {
  readonly file: string;
  readonly token: string;
}

export const emptySetup: Setup = {
  configuration: emptyConfiguration,
  listen: undefined,
  webStats: undefined,
  engine: 'auto',
  dsrInterface: undefined,
  dsrMode: 'auto',
  dsrPin: undefined,
  admin: undefined,
  adminToken: undefined,
  tls: defaultTlsSettings,
};

/** Tables in use, which never shrink; 0 before the start. */
export interface Floors {
  readonly clientsMax: number;
  readonly connectionsMax: number;
}

type Mutable<T> = { -readonly [K in keyof T]: T[K] };

export class Draft {
  readonly settings: Mutable<Settings>;
  readonly floors: Floors;
  listen: ListenAddress | undefined;
  webStats: string | undefined;
  engine: EngineName | 'auto';
  dsrInterface: string | undefined;
  dsrMode: DsrMode;
  dsrPin: string | undefined;
  admin: ListenAddress | undefined;
  adminToken: AdminToken | undefined;
  /** Replaced whole by whoever changes it. */
  tls: TlsSettings;
  emergency: ServerSpec | undefined;
  abuse: ServerSpec | undefined;
  /** Seconds of blacklisting asked for, by slot; state, so it is applied but never kept. */
  readonly blacklists = new Map<number, number>();
  /** Which servers drain and which no longer do, by slot; state, like `blacklists`. */
  readonly drains = new Map<number, boolean>();
  #servers: ServerSpec[];
  /** By name, in the order in which they came; undefined until one is changed. */
  #vips: Map<string, VipDraft> | undefined;
  #acls: AclEntry[][];
  readonly #aclsOwned = new Set<number>();
  #serversChanged = false;
  /** Whether any has come or gone. */
  #vipsChanged = false;
  readonly #was: Setup;

  constructor(setup: Setup, floors: Floors = { clientsMax: 0, connectionsMax: 0 }) {
    const { configuration } = setup;
    this.#was = setup;
    this.floors = floors;
    this.settings = { ...configuration.settings };
    this.settings.clientsMax = Math.max(this.settings.clientsMax, floors.clientsMax);
    this.settings.connectionsMax = Math.max(this.settings.connectionsMax, floors.connectionsMax);
    this.listen = setup.listen;
    this.webStats = setup.webStats;
    this.engine = setup.engine;
    this.dsrInterface = setup.dsrInterface;
    this.dsrMode = setup.dsrMode;
    this.dsrPin = setup.dsrPin;
    this.admin = setup.admin;
    this.adminToken = setup.adminToken;
    this.tls = setup.tls;
    this.emergency = configuration.emergency;
    this.abuse = configuration.abuse;
    // Both are shared with the published configuration until first changed, then copied once.
    this.#servers = configuration.servers as ServerSpec[];
    this.#acls = configuration.acls as AclEntry[][];
  }

  get servers(): readonly ServerSpec[] {
    return this.#servers;
  }

  /** A service of `dsr_vip` by its name, to be edited. */
  vip(name: string): VipDraft | undefined {
    return this.#ownVips().get(name);
  }

  /** One that there has not been, without servers. */
  addVip(name: string, vip: Vip): VipDraft {
    const added = new VipDraft({ ...vip, roundRobin: undefined, servers: [] });
    this.#ownVips().set(name, added);
    this.#vipsChanged = true;
    return added;
  }

  removeVip(name: string): void {
    this.#ownVips().delete(name);
    this.#vipsChanged = true;
  }

  clearVips(): void {
    if (this.vipCount === 0) return;
    this.#ownVips().clear();
    this.#vipsChanged = true;
  }

  get vipCount(): number {
    return this.#vips?.size ?? this.#was.configuration.vips.length;
  }

  get acls(): ReadonlyArray<readonly AclEntry[]> {
    return this.#acls;
  }

  server(slot: number): ServerSpec {
    return this.#servers[slot] ?? emptySlot;
  }

  /** Changes one row; the table grows to hold it. */
  setServer(slot: number, changes: Partial<ServerSpec>): void {
    if (!this.#serversChanged) this.#servers = [...this.#servers];
    this.#serversChanged = true;
    while (this.#servers.length <= slot) this.#servers.push(emptySlot);
    this.#servers[slot] = { ...this.server(slot), ...changes };
  }

  appendAcl(number: number, entry: AclEntry): void {
    this.#ownAcl(number).push(entry);
  }

  clearAcl(number: number): void {
    this.#ownAcl(number).length = 0;
  }

  /** Whether anything differs from the Setup it began with, or a blacklisting waits. */
  get isChanged(): boolean {
    const { configuration, listen, webStats, engine, dsrInterface, dsrMode, dsrPin, admin, adminToken, tls } =
      this.#was;
    const settings = Object.keys(this.settings) as (keyof Settings)[];
    return (
      this.#serversChanged ||
      this.#areVipsChanged ||
      this.#aclsOwned.size > 0 ||
      this.blacklists.size > 0 ||
      this.drains.size > 0 ||
      this.listen !== listen ||
      this.webStats !== webStats ||
      this.engine !== engine ||
      this.dsrInterface !== dsrInterface ||
      this.dsrMode !== dsrMode ||
      this.dsrPin !== dsrPin ||
      this.admin !== admin ||
      this.adminToken !== adminToken ||
      this.tls !== tls ||
      this.emergency !== configuration.emergency ||
      this.abuse !== configuration.abuse ||
      settings.some((key) => this.settings[key] !== configuration.settings[key])
    );
  }

  /** The result. The draft must not be used any more. */
  finish(): Setup {
    return {
      configuration: {
        settings: this.settings,
        servers: this.#serversChanged ? withoutEmptyEnd(this.#servers) : this.#servers,
        emergency: this.emergency,
        abuse: this.abuse,
        vips: this.#areVipsChanged
          ? Array.from(this.#ownVips().values(), ({ spec }) => spec)
          : this.#was.configuration.vips,
        acls: this.#acls,
        // Loaded from files and added when it is published.
        tls: undefined,
        tickets: [],
      },
      listen: this.listen,
      webStats: this.webStats,
      engine: this.engine,
      dsrInterface: this.dsrInterface,
      dsrMode: this.dsrMode,
      dsrPin: this.dsrPin,
      admin: this.admin,
      adminToken: this.adminToken,
      tls: this.tls,
    };
  }

  get #areVipsChanged(): boolean {
    return this.#vipsChanged || (this.#vips !== undefined && [...this.#vips.values()].some((vip) => vip.isChanged));
  }

  #ownVips(): Map<string, VipDraft> {
    this.#vips ??= new Map(this.#was.configuration.vips.map((spec) => [vipName(spec), new VipDraft(spec)]));
    return this.#vips;
  }

  #ownAcl(number: number): AclEntry[] {
    if (this.#aclsOwned.size === 0) this.#acls = [...this.#acls];
    const own = this.#aclsOwned.has(number) ? this.#acls[number] : undefined;
    if (own) return own;
    const copy = [...(this.#acls[number] ?? [])];
    this.#acls[number] = copy;
    this.#aclsOwned.add(number);
    return copy;
  }
}

/** The table up to the last row of which anything is known: a row keeps its number, so those in between stay. */
function withoutEmptyEnd(servers: readonly ServerSpec[]): readonly ServerSpec[] {
  return servers.slice(0, servers.findLastIndex((spec) => !isEmpty(spec)) + 1);
}

/** Whether nothing is known of a row. One without an address may keep a port or a weight for the next. */
function isEmpty(spec: ServerSpec): boolean {
  const { names, ...rest } = spec;
  return (
    names.length === 0 && Object.entries(rest).every(([key, value]) => value === emptySlot[key as keyof ServerSpec])
  );
}

/** An address that stands for "no server" (0.0.0.0 or ::), which keeps the row's port for the next address. */
export function isUnspecified(endpoint: Endpoint | undefined): boolean {
  return (
    endpoint?.kind === 'ip' &&
    endpoint.address[0] === 0 &&
    endpoint.address[1] === 0 &&
    endpoint.address[3] === 0 &&
    (endpoint.address[2] === 0 || endpoint.address[2] === 0xffff)
  );
}

/** Whether the server is one: an empty row, port 0 and an unspecified address are none. */
export function takesTraffic(spec: ServerSpec | undefined): boolean {
  return takesFrames(spec) && (spec?.endpoint?.kind !== 'ip' || spec.endpoint.port !== 0);
}

/** Whether it is one for direct server return, where no port is every port. */
export function takesFrames(spec: ServerSpec | undefined): boolean {
  return spec?.endpoint !== undefined && !isUnspecified(spec.endpoint);
}
