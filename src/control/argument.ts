/** Arguments of commands: each kind knows how it is written in the manual and how to take its words from a line. */
import { CommandError, quoted } from './errors.js';
import type { Words } from './words.js';

/** Where a command comes from. `tcp` is the only one that may not name files. */
export type Origin = 'option' | 'file' | 'unix' | 'tcp';

export interface Argument<T> {
  /** As in the manual: `N`, `[FILE]`, `up|down`. */
  readonly usage: string;
  /** What it may be, for the reference page: `T: 0 to 10`. */
  readonly range?: string;
  /** Names a file: refused when the command comes over TCP. */
  readonly isFile?: boolean;
  /** May be left out. */
  readonly isOptional?: boolean;
  /** The switch `--json`. */
  readonly isJson?: boolean;
  /** With it something is done, without it there is only something to look at. */
  readonly isDeed?: boolean;
  /** Takes its words; throws CommandError if they are not right. */
  take(words: Words, origin: Origin): T;
}

/** The values of a list of arguments, in order. */
export type Values<A extends readonly unknown[]> = { [I in keyof A]: A[I] extends Argument<infer T> ? T : never };

/** The largest number that C Pen's commands can hold. */
export const MAX_INT = 2_147_483_647;

export function integer(name: string, min = 0, max = MAX_INT): Argument<number> {
  return {
    usage: name,
    range: `${name}: ${min} to ${max}`,
    take(words) {
      return parseInteger(words.next(), min, max);
    },
  };
}

export function choice<T extends string>(values: readonly T[]): Argument<T> {
  const expected = values.length === 2 ? values.join(' or ') : `${values.slice(0, -1).join(', ')} or ${values.at(-1)}`;
  return {
    usage: values.join('|'),
    take(words) {
      const word = words.next();
      const value = values.find((one) => one === word);
      if (value === undefined) throw new CommandError(`expected ${expected}, ${butGot(word)}`);
      return value;
    },
  };
}

/** One word, checked by the handler. */
export function word(name: string): Argument<string> {
  return {
    usage: name,
    take(words) {
      return takeWord(words, name);
    },
  };
}

/** The rest of the line: a file name may contain blanks. */
export function fileName(name: string): Argument<string> {
  return {
    usage: name,
    isFile: true,
    take(words, origin) {
      if (words.isEmpty) throw new CommandError(`expected ${name}`);
      requireLocal(origin);
      return words.rest();
    },
  };
}

/** Anything at all, for commands that only say why they can't. */
export function anything(name: string): Argument<string> {
  return { usage: name, take: (words) => words.rest() };
}

export function optional<T>(argument: Argument<T>): Argument<T | undefined> {
  return {
    ...argument,
    usage: `[${argument.usage}]`,
    isOptional: true,
    take(words, origin) {
      return words.isEmpty ? undefined : argument.take(words, origin);
    },
  };
}

/** The reply is one line of JSON instead of text. */
export const asJson: Argument<boolean> = {
  usage: '[--json]',
  isJson: true,
  isOptional: true,
  take(words) {
    if (words.peek() !== '--json') return false;
    words.next();
    return true;
  },
};

/** Throws CommandError unless the command comes from this machine's own user. */
export function requireLocal(origin: Origin): void {
  if (origin === 'tcp') {
    throw new CommandError('not allowed over TCP, it names a file (use the Unix socket or the configuration file)');
  }
}

/** Takes one word; throws CommandError naming what was expected. */
export function takeWord(words: Words, expected: string): string {
  const value = words.next();
  if (value === undefined) throw new CommandError(`expected ${expected}`);
  return value;
}

/** A decimal integer from `min` to `max`; throws CommandError. */
export function parseInteger(text: string | undefined, min: number, max: number): number {
  const value = text !== undefined && /^[+-]?\d{1,15}$/.test(text) ? Number(text) : Number.NaN;
  if (!(value >= min && value <= max)) {
    throw new CommandError(`expected a number from ${min} to ${max}, ${butGot(text)}`);
  }
  return value;
}

function butGot(text: string | undefined): string {
  return text === undefined ? 'got nothing' : `got ${quoted(text)}`;
}
