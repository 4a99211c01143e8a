/**
 * The kernel's half where it outlives the process (`dsr_pin`). What an earlier process left running goes on, with the
 * tables that it has, until `commit` puts a program with new tables in its place between two frames. What packets
 * themselves have written, flows above all, is carried over.
 */
import { BpfError, IncompatibleError, Program, type XdpMode } from '../bpf/index.js';
import { SystemError } from '../sys/errno.js';
import { interfaceIndex } from '../sys/network-interface.js';
import { BpfTables, createMaps, type DsrMaps, openMap } from './bpf-tables.js';
import { DsrError } from './errors.js';
import { CARRIED, type Dimensions, type MapName, type ProgramOptions } from './layout.js';
import { layoutFingerprint } from './layout-fingerprint.js';
import { type Attached, attach, isStillAt, type Path, type WantedMode } from './path.js';
import { type PinnedSet, Pins, type Roles, type Running } from './pins.js';
import { dsrProgram } from './program/program.js';

type Entry = readonly [key: Uint8Array, value: Uint8Array];

/** What an earlier process decided; the flows that are carried over speak of it. */
export interface Inherited {
  readonly control: Uint8Array;
  /** Keys and values. */
  readonly reals: readonly Entry[];
  readonly vips: readonly Entry[];
  readonly prefixes: readonly Entry[];
  readonly roles: Roles;
}

export interface PinnedPathOptions {
  readonly interfaceName: string;
  /** In a bpffs. */
  readonly directory: string;
  readonly size: Dimensions;
  readonly program: ProgramOptions;
  readonly mode: WantedMode;
  log(line: string): void;
}

/** Throws a DsrError, SystemError or BpfError, leaving what ran before as it was. */
export function openPinnedPath(options: PinnedPathOptions): PinnedPath {
  const { interfaceName, directory, size, log } = options;
  const undo: (() => void)[] = [];
  const undoing = <T>(made: T, how: (made: T) => void): T => {
    undo.push(() => how(made));
    return made;
  };
  try {
    const pins = undoing(Pins.open(directory), (it) => it.close());
    const running = undoing(pins.find(), closeRunning);
    const fingerprint = layoutFingerprint(size);
    const isSameLayout = running?.about?.fingerprint === fingerprint;
    if (running?.about && !isSameLayout) log(`'${directory}' has the tables of another version: flows begin anew`);
    const inherited = isSameLayout ? inheritedFrom(running.set, size, running.about.roles) : undefined;
    const carried = isSameLayout ? carriedMaps(running.set, size) : {};
    const tables = undoing(new BpfTables(createMaps(size, carried), size), (it) => it.close());
    const program = undoing(Program.load(dsrProgram(options.program), { maps: tables.maps }), (it) => it.close());
    const set = undoing(pins.newSet(), (it) => it.remove());
    for (const [name, map] of Object.entries(tables.maps)) set.pin(name, map);
    set.pinProgram(program);
    const isThere = running?.link.info.interfaceIndex === interfaceIndex(interfaceName);
    const attached = isThere
      ? { link: running.link, mode: running.about?.mode ?? 'native', reason: 'taken over from an earlier pen' }
      : undoing(attach(program, interfaceName, options.mode), ({ link }) => link.close());
    return new PinnedPath({ options, pins, running, set, tables, program, attached, fingerprint, inherited });
  } catch (error) {
    for (const step of undo.reverse()) step();
    throw error;
  }
}

interface Parts {
  readonly options: PinnedPathOptions;
  readonly pins: Pins;
  readonly running: Running | undefined;
  readonly set: PinnedSet;
  readonly tables: BpfTables;
  readonly program: Program;
  /** By the link of what runs, if that is taken over. */
  readonly attached: Attached;
  readonly fingerprint: string;
  readonly inherited: Inherited | undefined;
}

export class PinnedPath implements Path {
  readonly link = undefined;
  readonly tables: BpfTables;
  readonly inherited: Inherited | undefined;
  readonly #options: PinnedPathOptions;
  readonly #pins: Pins;
  readonly #set: PinnedSet;
  readonly #fingerprint: string;
  #attached: Attached;
  #program: Program;
  /** What is to be replaced; undefined from `commit` on. */
  #running: Running | undefined;
  /** Whether the link runs our program. */
  #isInPlace: boolean;
  #isCommitted = false;
  #roles: Roles = { configured: 'master', told: 'master' };

  constructor({ options, pins, running, set, tables, program, attached, fingerprint, inherited }: Parts) {
    this.tables = tables;
    this.inherited = inherited;
    this.#options = options;
    this.#pins = pins;
    this.#set = set;
    this.#fingerprint = fingerprint;
    this.#attached = attached;
    this.#program = program;
    this.#running = running;
    this.#isInPlace = attached.link !== running?.link;
  }

  get mode(): XdpMode {
    return this.#attached.mode;
  }

  get modeReason(): string {
    return `${this.#attached.reason}; pinned in ${this.#pins.path}`;
  }

  get isAttached(): boolean {
    return isStillAt(this.#attached.link, this.#options.interfaceName);
  }

  describe(): readonly string[] {
    return [`pinned in ${this.#pins.path}`];
  }

  specialise(options: ProgramOptions): void {
    const { tables } = this;
    const before = this.#program;
    const next = Program.load(dsrProgram(options, tables.everyVip()), { maps: tables.maps });
    try {
      // Pinned first: the set that counts is the one that has the program which the link runs.
      this.#pin(next);
      if (this.#isInPlace) this.#replace(before, next);
    } catch (error) {
      this.#set.unpinProgram(next);
      next.close();
      throw error;
    }
    this.#program = next;
    this.#set.unpinProgram(before);
    before.close();
  }

  commit(): void {
    const running = this.#running;
    // Before the program counts, as the next start goes by it.
    this.#describeSet();
    if (running && !this.#isInPlace) this.#takeOver(running);
    if (this.#attached.link !== running?.link) this.#pins.pinLink(this.#attached.link);
    this.#isInPlace = true;
    this.#isCommitted = true;
    this.#running = undefined;
    if (!running) return;
    running.program.close();
    // Of another interface or mode, or of an interface that is gone: its name is another's now, so this ends it.
    if (running.link !== this.#attached.link) running.link.close();
    running.set.remove();
  }

  remember(roles: Roles): void {
    this.#roles = roles;
    this.#describeSet();
  }

  detach(): string | undefined {
    this.#attached.link.detach();
    this.#set.forget();
    try {
      this.#pins.removeLink();
      this.#set.remove();
      return undefined;
    } catch (error) {
      if (!(error instanceof SystemError)) throw error;
      const { path } = this.#pins;
      return `the files in '${path}' are still there: ${error.message} (rm -r ${path}, or the next start removes them)`;
    }
  }

  /** What is in place goes on. */
  close(): void {
    if (!this.#isCommitted) this.#set.remove();
    closeRunning(this.#running);
    this.#attached.link.close();
    this.#program.close();
    this.#set.close();
    this.tables.close();
    this.#pins.close();
  }

  /** Somebody may have removed the directory: then nothing is left that could be taken over, but packets go on. */
  #pin(program: Program): void {
    try {
      this.#set.pinProgram(program);
    } catch (error) {
      if (!(error instanceof BpfError) || error.code !== 'ENOENT') throw error;
      this.#options.log(`'${this.#pins.path}' has been removed: packets are sent on as long as pen runs`);
    }
  }

  #describeSet(): void {
    this.#set.describe({ fingerprint: this.#fingerprint, mode: this.mode, roles: this.#roles });
  }

  #takeOver({ link, program }: Running): void {
    const { interfaceName, mode, log } = this.#options;
    const before = this.mode;
    const wanted = { xdp: 'native', generic: 'generic', auto: before }[mode];
    if (wanted === before) {
      this.#replace(program, this.#program);
      return;
    }
    // A link has one mode for life, and an interface has one link.
    log(`from ${before} to ${wanted} mode on '${interfaceName}', which interrupts it for a moment`);
    link.detach();
    try {
      this.#attached = attach(this.#program, interfaceName, mode);
    } catch (error) {
      this.#attached = attach(this.#program, interfaceName, before === 'native' ? 'xdp' : 'generic');
      log(`${before} mode again on '${interfaceName}': ${(error as Error).message}`);
    }
    this.#describeSet();
  }

  #replace(before: Program, next: Program): void {
    if (this.#attached.link.update(next, before)) return;
    throw new DsrError(`cannot put a program in place at '${this.#pins.path}': somebody else has replaced pen's there`);
  }
}

function closeRunning(running: Running | undefined): void {
  running?.link.close();
  running?.program.close();
}

function carriedMaps(set: PinnedSet, size: Dimensions): Partial<DsrMaps> {
  const maps: Record<string, { close(): void }> = {};
  try {
    for (const name of CARRIED) maps[name] = adopt(name, set, size);
  } catch (error) {
    for (const map of Object.values(maps)) map.close();
    throw error;
  }
  return maps as Partial<DsrMaps>;
}

function inheritedFrom(set: PinnedSet, size: Dimensions, roles: Roles): Inherited {
  const entriesOf = (name: 'control' | 'reals' | 'vips' | 'prefixes') => {
    const map = adopt(name, set, size);
    try {
      return map.entries();
    } finally {
      map.close();
    }
  };
  // A number that nobody has is all zero.
  const reals = entriesOf('reals').filter(([, value]) => value.some((byte) => byte !== 0));
  const [[, control]] = entriesOf('control');
  return { control, reals, vips: entriesOf('vips'), prefixes: entriesOf('prefixes'), roles };
}

/** A map of the set; throws a DsrError that says what is there instead. */
function adopt<Name extends MapName>(name: Name, set: PinnedSet, size: Dimensions): DsrMaps[Name] {
  try {
    return openMap(name, set.pathOf(name), size);
  } catch (error) {
    if (!(error instanceof IncompatibleError || error instanceof BpfError)) throw error;
    throw new DsrError(`${error.message} (rm -r ends what is pinned there, then pen can start)`, { cause: error });
  }
}
