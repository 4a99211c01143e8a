/** Keeps the log where the settings want it. What may fail (opening) is apart from what may not (using what is open). */
import {
  ABUSE_SLOT,
  type Configuration,
  EMERGENCY_SLOT,
  type LogTarget,
  type Settings,
} from '../core/configuration.js';
import { ConnectionLines } from '../weblog/connection-lines.js';
import { DatagramSink } from '../weblog/datagram-sink.js';
import { FileSink } from '../weblog/file-sink.js';
import type { LogRingMemory } from '../weblog/log-ring.js';
import { causeOf, type Sink } from '../weblog/sink.js';
import { CommandError } from './errors.js';
import { isSameTarget } from './log-target.js';

export interface LogKeeperOptions {
  monotonicMs(): number;
  wallMs(): number;
  warn(line: string, isOver?: boolean): void;
}

export class LogKeeper {
  readonly #options: LogKeeperOptions;
  #target: LogTarget | undefined;
  #lines: ConnectionLines | undefined;
  #configuration: Configuration | undefined;

  constructor(options: LogKeeperOptions) {
    this.#options = options;
  }

  /** Lines that could not be written since the log was turned on. */
  get lost(): number {
    return this.#lines?.lost ?? 0;
  }

  /** What the settings want lines to go to, opened; undefined if that is nowhere, or where they go already. Throws CommandError. */
  async open({ log }: Settings): Promise<Sink | undefined> {
    if (log === undefined || isSameTarget(log, this.#target)) return undefined;
    try {
      return log.endpoint === undefined ? await FileSink.open(log.text) : await DatagramSink.open(log.endpoint);
    } catch (error) {
      const text = `cannot open log '${log.text}': ${causeOf(error)}${hintFor(error)}`;
      throw new CommandError(text, { isFromOutside: true, cause: error });
    }
  }

  /** Obeys a configuration that is in force; `sink` is what `open` gave for it. */
  async use(configuration: Configuration, sink: Sink | undefined, rings: readonly LogRingMemory[]): Promise<void> {
    const { log, logFormat } = configuration.settings;
    this.#configuration = configuration;
    this.#target = log;
    if (log === undefined) {
      const lines = this.#lines;
      this.#lines = undefined;
      await lines?.close();
    } else if (sink === undefined) this.#lines?.setFormat(logFormat);
    else if (this.#lines !== undefined) await this.#lines.change(sink, logFormat);
    else {
      const serverPath = (slot: number) => this.#serverPath(slot);
      this.#lines = new ConnectionLines(sink, { ...this.#options, rings, format: logFormat, serverPath });
    }
  }

  /** For a log that has been renamed. Never rejects. */
  async reopen(): Promise<void> {
    await this.#lines?.reopen();
  }

  /** Writes what is left. To be called when the workers have ended. */
  async close(): Promise<void> {
    await this.#lines?.close();
    this.#lines = undefined;
  }

  #serverPath(slot: number): string {
    const { servers, emergency, abuse } = this.#configuration ?? {
      servers: [],
      emergency: undefined,
      abuse: undefined,
    };
    const spec = slot === EMERGENCY_SLOT ? emergency : slot === ABUSE_SLOT ? abuse : servers[slot];
    return spec?.endpoint?.kind === 'unix' ? spec.endpoint.path : '-';
  }
}

function hintFor(error: unknown): string {
  const code = (error as NodeJS.ErrnoException).code;
  return code === 'ENXIO' ? ' (a pipe that nobody reads, or a socket)' : '';
}
