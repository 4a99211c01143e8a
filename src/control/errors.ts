/** What goes wrong in the control plane: a command that cannot be done, and a configuration with problems. */
import { isAbsolute } from 'node:path';

/** A command that is wrong or cannot be done; nothing has been changed. */
export class CommandError extends Error {
  readonly code = 'ERR_PEN_COMMAND';
  /** The exact reply where C Pen has one of its own; otherwise it is `error: COMMAND: MESSAGE`. */
  readonly reply: string | undefined;
  /** The words were right, but a host does not resolve, a file can't be read, ... */
  readonly isFromOutside: boolean;

  constructor(message: string, options: CommandErrorOptions = {}) {
    super(message, { cause: options.cause });
    this.name = 'CommandError';
    this.reply = options.reply;
    this.isFromOutside = options.isFromOutside ?? false;
  }
}

export interface CommandErrorOptions {
  readonly reply?: string | undefined;
  readonly isFromOutside?: boolean;
  readonly cause?: unknown;
}

/** What is wrong with a line, and whether that is the fault of how the command line was typed. */
export interface Problem {
  readonly text: string;
  readonly isUsage: boolean;
}

/** So many problems are looked for; then whoever wrote the file has enough to do, or it is no configuration at all. */
export const MAX_PROBLEMS = 100;
/** So many are shown; the others are counted. */
const MAX_LINES = 20;

/** A command line or file that was refused whole. The message is the first problem and how many more there are. */
export class ConfigurationError extends Error {
  readonly code = 'ERR_PEN_CONFIGURATION';
  /** A line for each thing that is wrong. */
  readonly problems: readonly string[];
  /** The first of them, and how many more there are. */
  readonly lines: readonly string[];
  /** Whether the first problem is how the command line was typed. */
  readonly isUsage: boolean;

  constructor(problems: readonly Problem[]) {
    const [first, ...others] = problems;
    super(`${first?.text}${others.length === 0 ? '' : ` (${andMore(problems, 1)})`}`);
    this.name = 'ConfigurationError';
    this.problems = problems.map((problem) => problem.text);
    this.lines =
      problems.length <= MAX_LINES
        ? this.problems
        : [...this.problems.slice(0, MAX_LINES), andMore(problems, MAX_LINES)];
    this.isUsage = first?.isUsage ?? false;
  }
}

function andMore({ length }: readonly Problem[], told: number): string {
  // Nobody has looked for others.
  return `and ${length >= MAX_PROBLEMS ? 'at least ' : ''}${length - told} more`;
}

/** A word in quotes for a message: unprintable characters as dots, cut after 64. */
export function quoted(word: string): string {
  const short = word.length > 64 ? `${word.slice(0, 61)}...` : word;
  return `'${short.replace(/[^\x20-\x7e\u00a0-\uffff]/g, '.')}'`;
}

/** A file cannot be read. A relative name is pen's to find, not penctl's: where it was looked for is said, too. */
export function cannotRead(file: string, error: unknown): CommandError {
  const cause = causeOf(error);
  const where = cause === 'ENOENT' && !isAbsolute(file) ? ` (looked for in ${ownFolder()})` : '';
  return new CommandError(`cannot read '${file}': ${cause}${where}`, { isFromOutside: true, cause: error });
}

function ownFolder(): string {
  try {
    return `'${process.cwd()}'`;
  } catch {
    return 'a directory that has been removed';
  }
}

/** The short name of a system error (`ECONNREFUSED`), else its message. */
export function causeOf(error: unknown): string {
  const { code, message } = error as { code?: unknown; message?: unknown };
  return typeof code === 'string' ? code : String(message ?? error);
}
