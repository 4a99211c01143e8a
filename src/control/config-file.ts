/**
 * Configuration files: read whole with what they include, every line checked, and only then applied. A line
 * is known by `FILE:LINE` in each message, and all problems are reported, not just the first.
 */
import { open, realpath, stat } from 'node:fs/promises';
import type { Origin } from './argument.js';
import type { Call, Reply } from './command.js';
import type { Draft } from './draft.js';
import { CommandError, cannotRead, MAX_PROBLEMS, type Problem } from './errors.js';
import { named, parseLine } from './language.js';
import type { Service } from './service.js';

/** More than any table can hold, and little enough to read at once. */
const MAX_BYTES = 64 * 1024 * 1024;
const MAX_DEPTH = 16;

/** A line that parsed. */
export interface ScriptLine {
  /** `FILE:LINE` or the option. */
  readonly where: string;
  readonly name: string;
  readonly origin: Origin;
  readonly call: Exclude<Call, { kind: 'include' }>;
}

/** Commands that come together and are applied together or not at all. */
export class Script {
  readonly lines: ScriptLine[] = [];
  readonly problems: Problem[] = [];
  /** All text that was read, to see whether it has changed. */
  text = '';
  #bytes = 0;

  /** What a file says, and that it can't be read; undefined: nothing. */
  static async of(file: string | undefined): Promise<Script> {
    const script = new Script();
    if (file === undefined) return script;
    await script.addFile(file).catch((error: unknown) => script.report('configuration file', 'file', error));
    return script;
  }

  /** Adds one line of the command line or of a file, with what it includes; a promise only if it includes something. */
  addLine(text: string, where: string, origin: Origin, stack: readonly string[] = []): Promise<void> | undefined {
    try {
      const parsed = parseLine(text, origin);
      if (!parsed) return undefined;
      const { name, call } = parsed;
      if (call.kind === 'include')
        return this.addFile(call.file, stack).catch((error: unknown) => this.report(where, origin, named(name, error)));
      this.lines.push({ where, name, origin, call });
    } catch (error) {
      this.report(where, origin, error);
    }
    return undefined;
  }

  /** Adds a file; throws CommandError if it can't be read. `stack` holds the files that include it. */
  async addFile(file: string, stack: readonly string[] = []): Promise<void> {
    const path = await realpath(file).catch((error: unknown) => {
      throw cannotRead(file, error);
    });
    if (stack.includes(path)) throw new CommandError(`'${file}' includes itself`);
    if (stack.length >= MAX_DEPTH) throw new CommandError(`'${file}' is included ${MAX_DEPTH} files deep`);
    const text = await readBounded(path, file, MAX_BYTES - this.#bytes);
    this.#bytes += Buffer.byteLength(text);
    this.text += `${path}\n${text}\n`;
    const inside = [...stack, path];
    let number = 0;
    for (const line of text.split('\n')) {
      number += 1;
      const included = this.addLine(line, `${file}:${number}`, 'file', inside);
      if (included) await included;
      if (this.problems.length >= MAX_PROBLEMS) return;
    }
  }

  /** Notes a CommandError; anything else is a defect and thrown. */
  report(where: string, origin: Origin, error: unknown): void {
    if (!(error instanceof CommandError)) throw error;
    if (this.problems.length >= MAX_PROBLEMS) return;
    this.problems.push({ text: `${where}: ${error.message}`, isUsage: origin === 'option' && !error.isFromOutside });
  }

  /** Applies the settings to the draft. Gives the replies in order, those of actions as calls for later. */
  async apply(draft: Draft, service: Service): Promise<ScriptReply[]> {
    const replies: ScriptReply[] = [];
    for (const { where, name, origin, call } of this.lines) {
      // Each may be a name that nobody knows, which takes up to 5 s, and other commands wait.
      if (this.problems.length >= MAX_PROBLEMS) break;
      if (call.kind === 'action' || call.kind === 'look') {
        replies.push(() => replyTo(name, () => call.run({ service, origin })));
        continue;
      }
      try {
        const ran = call.run({ draft, service, origin });
        const reply = ran instanceof Promise ? await ran : ran;
        // C Pen answers -O and the file on its output, but not the options that have a letter of their own.
        if (reply !== undefined && (origin === 'file' || /^-[Oo]\b/.test(where))) replies.push(reply);
      } catch (error) {
        this.report(where, origin, named(name, error));
      }
    }
    return replies;
  }
}

export type ScriptReply = string | (() => Promise<string>);

/** Runs the actions among the replies and prints all of them in order. */
export async function printReplies(replies: readonly ScriptReply[], print: (text: string) => void): Promise<void> {
  for (const reply of replies) {
    const text = typeof reply === 'string' ? reply : await reply();
    if (text !== '') print(text);
  }
}

/** The reply of an action, which is an error line if it fails. */
async function replyTo(name: string, run: () => Reply | Promise<Reply>): Promise<string> {
  try {
    return (await run()) ?? '';
  } catch (error) {
    const { reply, message } = named(name, error);
    return reply ?? `error: ${message}\n`;
  }
}

/** Only regular files: a FIFO may never end and never begin, /dev/zero never ends. */
async function readBounded(path: string, name: string, limit: number): Promise<string> {
  try {
    const { size } = await requireRegular(stat(path), name);
    if (size > limit)
      throw new CommandError(`'${name}' is too long (${MAX_BYTES / 1024 / 1024} MB with all it includes)`);
    const handle = await open(path);
    try {
      await requireRegular(handle.stat(), name);
      const bytes = Buffer.alloc(size);
      const { bytesRead } = await handle.read(bytes, 0, size, 0);
      return bytes.toString('utf8', 0, bytesRead).replace(/^\ufeff/, '');
    } finally {
      await handle.close();
    }
  } catch (error) {
    if (error instanceof CommandError) throw error;
    throw cannotRead(name, error);
  }
}

async function requireRegular<T extends { isFile(): boolean }>(found: Promise<T>, name: string): Promise<T> {
  const stats = await found;
  if (!stats.isFile()) throw new CommandError(`cannot read '${name}': not a regular file`);
  return stats;
}
