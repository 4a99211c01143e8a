/**
 * What handles the packets: tables that the controller writes, and something at the interface that obeys them. Here the
 * kernel's: maps made, program loaded, attached. What it did is undone by `close`.
 */
import { BpfError, Program, XdpLink, type XdpMode } from '../bpf/index.js';
import { interfaceIndex } from '../sys/network-interface.js';
import { BpfTables, createMaps } from './bpf-tables.js';
import { DsrError } from './errors.js';
import type { Dimensions, ProgramOptions } from './layout.js';
import type { Inherited } from './pinned-path.js';
import type { Roles } from './pins.js';
import { dsrProgram } from './program/program.js';
import type { ControlTables, PathTables } from './tables.js';

/** The controller's ear and mouth on the link. */
export interface Link {
  /** A frame that does not get out is asked again soon. */
  send(frame: Uint8Array): void;
  /** What comes back from tunnels is an answer, too, from now on. */
  hearTunnels(): void;
  /** Hands over the answers that have come since the last time. */
  drain(received: (frame: Uint8Array) => void): void;
  close(): void;
}

export interface Path {
  /** Read as PathTables they are looked at, never changed. */
  readonly tables: ControlTables & PathTables;
  /** For the log, and `penctl dsr`. */
  readonly mode: string;
  /** Why that mode, for the log. */
  readonly modeReason: string;
  /** Of one through this process: how many share the frames. */
  readonly threads?: number;
  /** Where packet sockets cannot be used beside it. */
  readonly link: Link | undefined;
  /** False once the interface has gone or has another name, or somebody has taken the program off it. */
  readonly isAttached: boolean;
  /** Makes it the faster for these options and the VIPs that there are now; obeying the tables does not depend on it. */
  specialise(options: ProgramOptions): void;
  /** Lines for `penctl dsr`, of what only this path has. */
  describe(): readonly string[];
  close(): void | Promise<void>;
  /** Now and then: says what of the interface has changed that it cannot follow. */
  look?(): void;
  /** Of one that outlives the process: what an earlier process decided, if what it left is taken over. */
  readonly inherited?: Inherited | undefined;
  /** Of one that outlives the process: the tables are filled, from here on they are the ones that count. */
  commit?(): void;
  /** Of one that outlives the process: the next one is to know. */
  remember?(roles: Roles): void;
  /** Ends what would outlive the process. A line about what could not be removed, undefined if nothing is left. */
  detach?(): string | undefined;
}

/** `auto` is the driver if it can, else behind it. */
export type WantedMode = 'auto' | 'xdp' | 'generic';

/**
 * Attaches to an interface: `xdp` in the driver, `generic` behind it, `auto` there only if the driver can run no programs.
 * Throws a SystemError (ENODEV), a BpfError (EPERM) or a DsrError, leaving nothing behind.
 */
export function openPath(interfaceName: string, size: Dimensions, options: ProgramOptions, wanted: WantedMode): Path {
  const tables = new BpfTables(createMaps(size), size);
  let program: Program | undefined;
  try {
    program = Program.load(dsrProgram(options), { maps: tables.maps });
    const attached = attach(program, interfaceName, wanted);
    return new XdpPath(interfaceName, tables, program, attached);
  } catch (error) {
    program?.close();
    tables.close();
    throw error;
  }
}

export interface Attached {
  readonly link: XdpLink;
  readonly mode: XdpMode;
  readonly reason: string;
}

class XdpPath implements Path {
  readonly link = undefined;
  readonly tables: BpfTables;
  readonly mode: XdpMode;
  readonly modeReason: string;
  readonly #interfaceName: string;
  readonly #link: XdpLink;
  #program: Program;

  constructor(interfaceName: string, tables: BpfTables, program: Program, { link, mode, reason }: Attached) {
    this.#interfaceName = interfaceName;
    this.tables = tables;
    this.mode = mode;
    this.modeReason = reason;
    this.#link = link;
    this.#program = program;
  }

  get isAttached(): boolean {
    return isStillAt(this.#link, this.#interfaceName);
  }

  specialise(options: ProgramOptions): void {
    const program = dsrProgram(options, this.tables.everyVip());
    const next = Program.load(program, { maps: this.tables.maps });
    try {
      this.#link.update(next);
    } catch (error) {
      next.close();
      throw error;
    }
    this.#program.close();
    this.#program = next;
  }

  describe(): readonly string[] {
    return [];
  }

  close(): void {
    this.#link.close();
    this.#program.close();
    this.tables.close();
  }
}

/** Whether a link is at the interface of that name: the name may be another's by now, the link stays where it was. */
export function isStillAt({ info: { interfaceIndex: index } }: XdpLink, interfaceName: string): boolean {
  if (index === 0) return false;
  try {
    return interfaceIndex(interfaceName) === index;
  } catch {
    return false;
  }
}

/** Throws a SystemError (ENODEV), BpfError or DsrError. */
export function attach(program: Program, interfaceName: string, wanted: WantedMode): Attached {
  if (wanted === 'generic') return attachGeneric(program, interfaceName, 'as dsr_mode says');
  try {
    return { link: XdpLink.attach(program, interfaceName, 'native'), mode: 'native', reason: 'in the driver' };
  } catch (error) {
    // Somebody else's program is there, or we may not: the other mode would not be allowed either.
    if (
      wanted === 'xdp' ||
      !(error instanceof BpfError) ||
      ['EBUSY', 'EEXIST', 'EPERM', 'EACCES', 'ENODEV'].includes(error.code)
    )
      throw error;
    return attachGeneric(program, interfaceName, `behind the driver, which costs speed; ${error.message}`);
  }
}

function attachGeneric(program: Program, interfaceName: string, reason: string): Attached {
  try {
    const link = XdpLink.attach(program, interfaceName, 'generic');
    return { link, mode: 'generic', reason };
  } catch (error) {
    throw new DsrError(`cannot run XDP programs on '${interfaceName}': ${(error as Error).message}`, { cause: error });
  }
}
