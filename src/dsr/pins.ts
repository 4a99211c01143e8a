/**
 * What outlives the process, in a directory of a bpffs that one balancer has for itself:
 *
 *     DIR/link                 holds the program at the interface
 *     DIR/next-link            the link that is about to take its place (another interface)
 *     DIR/maps-N/program-ID    a program, and the maps that it works on
 *     DIR/maps-N/flows ...
 *
 * The link alone decides: the set of maps that counts is the one that has the program which the link runs. Every start
 * makes a set of its own and puts its program into the link last, by one system call. So whenever a balancer is killed, one
 * set is right and whole, and what else lies there is left over.
 */
import { mkdirSync, readdirSync, renameSync, statfsSync, statSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { BpfError, BpfMap, bytes, IncompatibleError, Program, XdpLink, type XdpMode } from '../bpf/index.js';
import type { DsrRole } from '../core/configuration.js';
import { SystemError } from '../sys/errno.js';
import { LockedDirectory } from '../sys/locked-directory.js';
import { BPF_FS_MAGIC } from '../sys/uapi/bpf.js';
import { DsrError } from './errors.js';

const LINK = 'link';
const NEXT_LINK = 'next-link';
const SET = /^maps-(\d+)$/;
const PROGRAM = /^program-\d+$/;
/** A map of one entry that says what the others are. Its form never changes, so that every version can read it. */
const ABOUT = 'about';
const ABOUT_BYTES = 32;
const MAGIC = 'pen-dsr';
const AT = { magic: 0, fingerprint: 8, mode: 16, configured: 17, told: 18 } as const;
/** By the numbers that stand there: what comes new comes last. */
const MODES: readonly XdpMode[] = ['native', 'generic', 'offload'];
const ROLES: readonly DsrRole[] = ['master', 'standby', 'auto'];
const NUMBER = new Uint8Array(4);

/** Who answers for the VIPs: what the configuration said, and what was said last. */
export interface Roles {
  readonly configured: DsrRole;
  readonly told: DsrRole;
}

/** What a set says of itself: which layout it has, how its program is attached, and the role. */
export interface About {
  /** 16 hexadecimal digits. */
  readonly fingerprint: string;
  readonly mode: XdpMode;
  readonly roles: Roles;
}

/** What an earlier process has left running. The handles are the caller's to close. */
export interface Running {
  readonly link: XdpLink;
  readonly program: Program;
  readonly set: PinnedSet;
  /** undefined if there is none that can be read: made by something else, or taken back by `forget`. */
  readonly about: About | undefined;
}

type AnyMap = { pin(path: string): void };

export class Pins {
  readonly #directory: LockedDirectory;

  private constructor(directory: LockedDirectory) {
    this.#directory = directory;
  }

  /** Makes the directory if need be, and locks it. Throws a DsrError that says what is wrong with it. */
  static open(path: string): Pins {
    try {
      requireBpffs(path);
      const directory = LockedDirectory.open(path);
      if (directory) return new Pins(directory);
    } catch (error) {
      if (error instanceof DsrError) throw error;
      throw new DsrError(`cannot keep pins in '${path}': ${(error as Error).message}`, { cause: error });
    }
    throw new DsrError(`cannot keep pins in '${path}': another pen does (give each a directory of its own)`);
  }

  get path(): string {
    return this.#directory.path;
  }

  /** What runs, once what is left over has been removed; undefined if nothing does. Throws a DsrError, changing nothing. */
  find(): Running | undefined {
    const names = readdirSync(this.path);
    const foreign = names.find((name) => name !== LINK && name !== NEXT_LINK && !SET.test(name));
    if (foreign !== undefined)
      throw this.#error(`'${foreign}' there is none of pen's (name a directory that pen has for itself)`);
    const sets = names.filter((name) => SET.test(name)).map((name) => new PinnedSet(this.#directory, name));
    try {
      // It was complete when it was pinned, or it would not be there.
      if (names.includes(NEXT_LINK)) renameSync(join(this.path, NEXT_LINK), join(this.path, LINK));
      else if (!names.includes(LINK)) {
        for (const set of sets) set.remove();
        return undefined;
      }
      return this.#runningIn(sets);
    } catch (error) {
      const isOurs = error instanceof IncompatibleError || error instanceof BpfError || error instanceof SystemError;
      throw isOurs ? this.#error(`${error.message} (rm -r '${this.path}' ends what runs there)`, error) : error;
    }
  }

  /** An empty set with a number of its own. */
  newSet(): PinnedSet {
    const numbers = readdirSync(this.path).map((name) => Number(SET.exec(name)?.[1] ?? 0));
    const set = new PinnedSet(this.#directory, `maps-${Math.max(0, ...numbers) + 1}`);
    mkdirSync(join(this.path, set.name), 0o700);
    return set;
  }

  /** Makes this the link, in place of the one there is. */
  pinLink(link: XdpLink): void {
    link.pin(join(this.path, NEXT_LINK));
    renameSync(join(this.path, NEXT_LINK), join(this.path, LINK));
  }

  /** Takes the link's name away, also from inside another root. Throws a SystemError (EACCES). */
  removeLink(): void {
    this.#directory.removeFile(LINK);
  }

  /** Gives the lock back; what is pinned stays. */
  close(): void {
    this.#directory.close();
  }

  #runningIn(sets: readonly PinnedSet[]): Running {
    const link = XdpLink.open(join(this.path, LINK));
    let program: Program | undefined;
    try {
      const { programId } = link.info;
      for (const set of sets) {
        program = set.adopt(programId);
        if (!program) continue;
        const about = set.about();
        for (const other of sets) if (other !== set) other.remove();
        return { link, program, set, about };
      }
      throw this.#error(
        `the program that its link runs is not there (it was replaced, or files were removed; rm -r '${this.path}' ends what runs there)`,
      );
    } catch (error) {
      program?.close();
      link.close();
      throw error;
    }
  }

  #error(what: string, cause?: unknown): DsrError {
    return new DsrError(`cannot adopt what is pinned in '${this.path}': ${what}`, { cause });
  }
}

/** A folder with maps and the programs that work on them. */
export class PinnedSet {
  readonly name: string;
  readonly #directory: LockedDirectory;
  /** What was pinned by us, to be removed where folders cannot be read any more. */
  readonly #pinned = new Set<string>();
  #about: BpfMap<Uint8Array, Uint8Array> | undefined;

  constructor(directory: LockedDirectory, name: string) {
    this.#directory = directory;
    this.name = name;
  }

  /** Where something of that name is pinned. */
  pathOf(name: string): string {
    return join(this.#directory.path, this.name, name);
  }

  pin(name: string, map: AnyMap): void {
    map.pin(this.pathOf(name));
    this.#pinned.add(name);
  }

  pinProgram(program: Program): void {
    this.pin(programName(program), program);
  }

  unpinProgram(program: Program): void {
    this.#directory.removeFile(`${this.name}/${programName(program)}`);
    this.#pinned.delete(programName(program));
  }

  /** Says what the set is. */
  describe({ fingerprint, mode, roles }: About): void {
    this.#about ??= BpfMap.create(aboutSpec);
    const value = Buffer.alloc(ABOUT_BYTES);
    value.write(MAGIC, AT.magic, 'latin1');
    value.write(fingerprint, AT.fingerprint, 'hex');
    value[AT.mode] = MODES.indexOf(mode);
    value[AT.configured] = ROLES.indexOf(roles.configured);
    value[AT.told] = ROLES.indexOf(roles.told);
    this.#about.set(NUMBER, value);
    if (!this.#pinned.has(ABOUT)) this.pin(ABOUT, this.#about);
  }

  about(): About | undefined {
    const map = BpfMap.open(this.pathOf(ABOUT), aboutSpec);
    const value = Buffer.from(map.get(NUMBER) ?? []);
    map.close();
    if (value.toString('latin1', 0, MAGIC.length) !== MAGIC) return undefined;
    const fingerprint = value.toString('hex', AT.fingerprint, AT.mode);
    const roleAt = (at: number) => ROLES[value[at]] ?? 'master';
    const roles = { configured: roleAt(AT.configured), told: roleAt(AT.told) };
    return { fingerprint, mode: MODES[value[AT.mode]] ?? 'native', roles };
  }

  /** Nobody is to adopt it, though its files may stay. */
  forget(): void {
    this.#about?.set(NUMBER, new Uint8Array(ABOUT_BYTES));
  }

  /** The program of that number, if it is here; others, which were never put in place or are no more, are removed. */
  adopt(programId: number): Program | undefined {
    const names = readdirSync(this.pathOf('')).filter((name) => PROGRAM.test(name));
    const wanted = `program-${programId}`;
    if (!names.includes(wanted)) return undefined;
    const program = Program.open(this.pathOf(wanted));
    if (program.info.id !== programId) {
      program.close();
      return undefined;
    }
    for (const name of names) if (name !== wanted) this.#directory.removeFile(`${this.name}/${name}`);
    return program;
  }

  /** Removes all that is in it, and itself. Throws a SystemError (EACCES). */
  remove(): void {
    const names = new Set([...existingNames(this.pathOf('')), ...this.#pinned]);
    for (const name of names) this.#directory.removeFile(`${this.name}/${name}`);
    this.#directory.removeFolder(this.name);
  }

  close(): void {
    this.#about?.close();
  }
}

const aboutSpec = {
  name: 'pen_about',
  type: 'array',
  key: bytes(4),
  value: bytes(ABOUT_BYTES),
  maxEntries: 1,
} as const;

function programName(program: Program): string {
  return `program-${program.info.id}`;
}

/** None where the path leads nowhere, as inside another root. */
function existingNames(path: string): string[] {
  try {
    return readdirSync(path);
  } catch {
    return [];
  }
}

/** Makes the directory if only it is missing. */
function requireBpffs(path: string): void {
  const hint = 'mount -t bpf bpf /sys/fs/bpf, then dsr_pin /sys/fs/bpf/pen';
  if (isOnBpffs(path) ?? isOnBpffs(dirname(path))) mkdirSync(path, { recursive: true, mode: 0o700 });
  else throw new DsrError(`cannot keep pins in '${path}': it is not in a bpffs (${hint})`);
  requireOurs(path);
}

/** Whoever may write there could take the pins away, or have us adopt others; in a bpffs everybody may make directories. */
function requireOurs(path: string): void {
  const { uid, mode } = statSync(path);
  const mine = process.geteuid?.() ?? 0;
  if (uid !== 0 && uid !== mine)
    throw new DsrError(
      `cannot keep pins in '${path}': it belongs to user ${uid} (name another, or chown root '${path}')`,
    );
  if ((mode & 0o022) !== 0)
    throw new DsrError(`cannot keep pins in '${path}': others may write there (chmod 700 '${path}')`);
}

/** undefined if there is no such directory. */
function isOnBpffs(path: string): boolean | undefined {
  try {
    return statfsSync(path).type === BPF_FS_MAGIC;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
}
