/** What goes wrong in the control plane: a command that cannot be done, and a configuration with problems. */

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

/** A command line or file that was refused whole; `problems` has a line for each thing that is wrong. */
export class ConfigurationError extends Error {
  readonly code = 'ERR_PEN_CONFIGURATION';
  readonly problems: readonly string[];
  /** Whether the first problem is how the command line was typed. */
  readonly isUsage: boolean;

  constructor(problems: readonly Problem[]) {
    const [first, ...others] = problems;
    super(`${first?.text}${others.length === 0 ? '' : ` (and ${others.length} more)`}`);
    this.name = 'ConfigurationError';
    this.problems = problems.map((problem) => problem.text);
    this.isUsage = first?.isUsage ?? false;
  }
}

/** A word in quotes for a message: unprintable characters as dots, cut after 64. */
export function quoted(word: string): string {
  const short = word.length > 64 ? `${word.slice(0, 61)}...` : word;
  return `'${short.replace(/[^\x20-\x7e\u00a0-\uffff]/g, '.')}'`;
}

/** The short name of a system error (`ECONNREFUSED`), else its message. */
export function causeOf(error: unknown): string {
  const { code, message } = error as { code?: unknown; message?: unknown };
  return typeof code === 'string' ? code : String(message ?? error);
}
