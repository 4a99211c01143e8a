/** The command lines of the small programs: bundled short options, values attached or apart, operands anywhere. */
import { UsageError } from './errors.js';

export interface ShortOptions {
  /** Whether an option without a value was given, and how often. */
  count(flag: string): number;
  /** The last value of an option that takes one. */
  value(flag: string): string | undefined;
  readonly operands: readonly string[];
  /** `--help` or `--version`, if one was given. */
  readonly asked: 'help' | 'version' | undefined;
}

/** `flags` as for getopt(3): a colon follows those that take a value. Throws UsageError. */
export function parseShortOptions(argv: readonly string[], flags: string): ShortOptions {
  const counts = new Map<string, number>();
  const values = new Map<string, string>();
  const operands: string[] = [];
  let asked: ShortOptions['asked'];
  for (let at = 0; at < argv.length; at++) {
    const argument = argv[at];
    if (argument === '--') {
      operands.push(...argv.slice(at + 1));
      break;
    }
    if (argument === '--help' || argument === '--version') asked ??= argument === '--help' ? 'help' : 'version';
    else if (!argument.startsWith('-') || argument === '-') operands.push(argument);
    else if (takeBundle(argument, argv[at + 1])) at++;
  }
  return { count: (flag) => counts.get(flag) ?? 0, value: (flag) => values.get(flag), operands, asked };

  /** True if the next argument was a value of this one. */
  function takeBundle(argument: string, next: string | undefined): boolean {
    for (let i = 1; i < argument.length; i++) {
      const flag = argument[i];
      const place = flags.indexOf(flag);
      if (place < 0 || flag === ':')
        throw new UsageError(`unknown option '${argument.slice(0, 1) + flag}' (see --help)`);
      counts.set(flag, (counts.get(flag) ?? 0) + 1);
      if (flags[place + 1] !== ':') continue;
      const attached = argument.slice(i + 1);
      const value = attached === '' ? next : attached;
      if (value === undefined || value === '') throw new UsageError(`-${flag}: needs a value (see --help)`);
      values.set(flag, value);
      return attached === '';
    }
    return false;
  }
}

/** A decimal integer from `min` to `max`, `fallback` where none was given. Throws UsageError. */
export function integerValue(
  options: ShortOptions,
  flag: string,
  { min, max, fallback }: { readonly min: number; readonly max: number; readonly fallback: number },
): number {
  const text = options.value(flag);
  if (text === undefined) return fallback;
  const value = /^[+-]?\d{1,15}$/.test(text) ? Number(text) : Number.NaN;
  if (!(value >= min && value <= max)) {
    throw new UsageError(`-${flag}: expected a number from ${min} to ${max}, got '${text}'`);
  }
  return value;
}
