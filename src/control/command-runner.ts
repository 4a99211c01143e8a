/** Runs commands: each works on a draft of its own, and what has changed in it is made the Setup, or nothing is. */
import type { Origin } from './argument.js';
import type { CommandQueue } from './command-queue.js';
import { printReplies, Script } from './config-file.js';
import type { Draft } from './draft.js';
import { CommandError, ConfigurationError, causeOf } from './errors.js';
import { named, type Parsed, parseLine } from './language.js';
import type { Service } from './service.js';

export interface RunnerOptions {
  readonly queue: CommandQueue;
  /** A draft of the Setup that is in force. */
  draft(): Draft;
  /** Makes a draft the Setup. Throws CommandError, and then nothing has changed. */
  commit(draft: Draft): Promise<void>;
  /** Copies the tables that the data plane keeps elsewhere. */
  refresh(): void;
  /** Where replies to `include` go. */
  print(text: string): void;
}

export class CommandRunner {
  readonly #service: Service;
  readonly #options: RunnerOptions;

  constructor(service: Service, options: RunnerOptions) {
    this.#service = service;
    this.#options = options;
  }

  /** The reply to one command, newlines included; an error is a reply. Never rejects. */
  async execute(line: string, origin: Origin): Promise<string> {
    const said = line.trimEnd().replace(/\p{Cc}/gu, '.');
    this.#service.log(1, `command (${origin}): ${said}`);
    try {
      const parsed = parseLine(line, origin);
      if (!parsed) return '';
      const run = async () => {
        this.#options.refresh();
        const reply = (await this.#run(parsed, line, origin)) ?? '';
        this.#options.refresh();
        return reply;
      };
      return await (parsed.call.kind === 'look' ? run() : this.#options.queue.inTurn(run));
    } catch (error) {
      if (error instanceof CommandError) return error.reply ?? `error: ${error.message}\n`;
      this.#service.log(0, `command '${said}' failed: ${(error as Error).stack ?? error}`);
      return `error: internal error (${causeOf(error)})\n`;
    }
  }

  /** All of a script or, if anything in it is wrong, nothing (ConfigurationError). */
  async applyScript(script: Script, draft: Draft): Promise<void> {
    const replies = await script.apply(draft, this.#service);
    if (script.problems.length > 0) throw new ConfigurationError(script.problems);
    await this.#options.commit(draft);
    await printReplies(replies, this.#options.print);
  }

  async #run({ name, call }: Parsed, line: string, origin: Origin): Promise<string | undefined> {
    const service = this.#service;
    try {
      if (call.kind === 'action' || call.kind === 'look') return await call.run({ service, origin });
      const draft = this.#options.draft();
      if (call.kind === 'include') {
        const script = new Script();
        await script.addFile(call.file);
        await this.applyScript(script, draft);
        this.#record(line, origin);
        return undefined;
      }
      const reply = await call.run({ service, draft, origin });
      if (draft.isChanged) {
        await this.#options.commit(draft);
        this.#record(line, origin);
      }
      return reply;
    } catch (error) {
      throw named(name, error instanceof ConfigurationError ? refusal(name, error) : error);
    }
  }

  #record(line: string, origin: Origin): void {
    const text = `${line.trim()} (${origin})`;
    this.#service.observer.events.record({ kind: 'command', mood: 'plain', text });
  }
}

/** A line for each problem of a file. */
function refusal(name: string, { message, lines }: ConfigurationError): CommandError {
  return new CommandError(message, { reply: lines.map((line) => `error: ${name}: ${line}\n`).join('') });
}
