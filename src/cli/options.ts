/** The command line of `pen`: arguments in, Options out. Grammar only: nothing is resolved, opened or read here. */
import { UsageError } from './errors.js';
import { LONG_OPTIONS, OPTIONS, type OptionRow } from './option-table.js';

/** A setting of the command line, said in penctl language. */
export interface OptionCommand {
  /** The option as typed, for error messages. */
  readonly option: string;
  readonly line: string;
}

export interface Options {
  readonly action: 'serve' | 'check' | 'help' | 'version';
  /** LISTEN as typed; undefined only where the configuration file may say it. */
  readonly listen: string | undefined;
  /** SERVER operands as typed. */
  readonly servers: readonly string[];
  /** In the order in which they were typed. */
  readonly commands: readonly OptionCommand[];
  readonly control: string | undefined;
  readonly configFile: string | undefined;
  readonly pidFile: string | undefined;
  /** Directory to confine the process to. */
  readonly root: string | undefined;
  readonly user: string | undefined;
  readonly foreground: boolean;
  /** Whether the control command `exit` works. */
  readonly allowExit: boolean;
  /** Lines to show before anything else happens. */
  readonly warnings: readonly string[];
}

/** What the table's rows write to while arguments are read. */
export type OptionsDraft = { -readonly [K in keyof Options]: Options[K] } & {
  servers: string[];
  commands: OptionCommand[];
  warnings: string[];
  debug: number;
};

/** Where the command line is being read. */
export interface Surroundings {
  readonly isRoot: boolean;
  readonly platform: NodeJS.Platform;
}

/** Reads `argv` (without node and program). Throws UsageError with one line that says what, where and what to do. */
export function parseOptions(argv: readonly string[], surroundings: Surroundings): Options {
  const draft = freshDraft();
  const operands = readArguments(argv, draft, surroundings);
  const { debug: _, ...options } = draft;
  if (options.action === 'help' || options.action === 'version') return options;

  [options.listen, ...options.servers] = operands;
  if (surroundings.isRoot && options.user === undefined && options.control?.includes('/') === false) {
    const path = /^\d+$|:/.test(options.control) ? '' : `; a socket path needs a slash: ./${options.control}`;
    throw new UsageError(`-C: no control port as root without -u (-u USER drops privileges, -u root insists${path})`);
  }
  const hasVip = options.commands.some(({ line }) => /^\s*dsr_vip\s/.test(line));
  if (options.listen === undefined && options.configFile === undefined && !hasVip) {
    throw new UsageError('nowhere to listen (usage: pen [options] LISTEN SERVER..., see pen --help)');
  }
  return options;
}

/** Fills the draft from the options and returns the operands. */
function readArguments(argv: readonly string[], draft: OptionsDraft, surroundings: Surroundings): string[] {
  const operands: string[] = [];
  for (let at = 0; at < argv.length; at += 1) {
    const argument = argv[at] as string;
    if (argument === '--') return operands.concat(argv.slice(at + 1));
    if (argument.startsWith('--')) {
      takeLong(argument, draft);
      if (draft.action === 'help' || draft.action === 'version') return operands;
    } else if (argument.startsWith('-') && argument.length > 1) {
      at += takeBundle(argument, argv[at + 1], draft, surroundings);
    } else {
      operands.push(argument);
    }
  }
  return operands;
}

function takeLong(argument: string, draft: OptionsDraft): void {
  const row = LONG_OPTIONS.find((candidate) => `--${candidate.name}` === argument);
  if (!row) throw new UsageError(`unknown option ${argument} (see pen --help)`);
  draft.action = row.name;
}

/** `-dfb30`, `-dfb 30`: any number of flags, the last of which may take a value. Returns how many further arguments it used. */
function takeBundle(argument: string, next: string | undefined, draft: OptionsDraft, where: Surroundings): 0 | 1 {
  for (let at = 1; at < argument.length; at += 1) {
    const flag = String.fromCodePoint(argument.codePointAt(at) as number);
    const row = OPTIONS.find((candidate) => candidate.flag === flag);
    if (!row) throw new UsageError(`unknown option -${flag} (see pen --help)`);
    if (row.value === undefined) {
      take(row, '', draft, where);
      continue;
    }
    const attached = argument.slice(at + 1);
    const value = attached === '' ? next : attached;
    if (value === undefined || value === '') {
      throw new UsageError(`-${flag}: needs a value, ${row.value} (see pen --help)`);
    }
    take(row, value, draft, where);
    return attached === '' ? 1 : 0;
  }
  return 0;
}

function take(row: OptionRow, value: string, draft: OptionsDraft, where: Surroundings): void {
  if (row.later !== undefined) throw new UsageError(`-${row.flag}: ${row.later} not available yet`);
  row.take(draft, value, where);
}

function freshDraft(): OptionsDraft {
  return {
    action: 'serve',
    listen: undefined,
    servers: [],
    commands: [],
    control: undefined,
    configFile: undefined,
    pidFile: undefined,
    root: undefined,
    user: undefined,
    foreground: false,
    allowExit: false,
    warnings: [],
    debug: 0,
  };
}
