/**
 * One client of the control port: reading -> executing -> replying -> over. It is served on a newline, on the
 * end of its stream, or when it falls silent in the middle of a line.
 */
import type { Socket } from 'node:net';
import type { ControlLimits } from './control-server.js';

export interface ClientHooks {
  execute(line: string): Promise<string>;
  /** Called once, when the socket is gone. */
  over(): void;
}

type State = 'reading' | 'executing' | 'replying' | 'over';

export class ControlClient {
  readonly #socket: Socket;
  readonly #limits: ControlLimits;
  readonly #hooks: ClientHooks;
  #state: State = 'reading';
  #chunks: Buffer[] = [];
  #bytes = 0;
  #quiet: NodeJS.Timeout | undefined;
  #deadline: NodeJS.Timeout;

  constructor(socket: Socket, limits: ControlLimits, hooks: ClientHooks) {
    this.#socket = socket;
    this.#limits = limits;
    this.#hooks = hooks;
    this.#deadline = setTimeout(() => this.#refuse('no command came'), limits.lineMs);
    socket.on('data', (chunk) => this.#receive(chunk));
    socket.on('end', () => this.#ended());
    socket.on('error', () => this.drop());
    socket.on('close', () => this.drop());
  }

  get isReading(): boolean {
    return this.#state === 'reading';
  }

  /** Bytes of the reply that have not been handed to the kernel. */
  get waitingBytes(): number {
    return this.#socket.writableLength;
  }

  /** Ends it now. Idempotent. */
  drop(): void {
    if (this.#state === 'over') return;
    this.#state = 'over';
    clearTimeout(this.#quiet);
    clearTimeout(this.#deadline);
    this.#chunks = [];
    this.#socket.destroy();
    this.#hooks.over();
  }

  /** What comes after the line is read and thrown away: unread bytes would turn the close into a reset. */
  #receive(chunk: Buffer): void {
    if (this.#state !== 'reading') return;
    const newline = chunk.indexOf(10);
    const part = newline < 0 ? chunk : chunk.subarray(0, newline);
    this.#bytes += part.length;
    if (this.#bytes > this.#limits.lineBytes) {
      this.#refuse(`the command is longer than ${this.#limits.lineBytes} bytes`);
      return;
    }
    this.#chunks.push(part);
    if (newline >= 0) {
      void this.#serve();
      return;
    }
    clearTimeout(this.#quiet);
    this.#quiet = setTimeout(() => void this.#serve(), this.#limits.quietMs);
  }

  #ended(): void {
    if (this.#state !== 'reading') return;
    if (this.#bytes === 0) this.drop();
    else void this.#serve();
  }

  #refuse(why: string): void {
    if (this.#state === 'reading') this.#reply(`error: ${why}\n`);
  }

  async #serve(): Promise<void> {
    this.#state = 'executing';
    clearTimeout(this.#quiet);
    clearTimeout(this.#deadline);
    const line = Buffer.concat(this.#chunks).toString('utf8');
    this.#chunks = [];
    const reply = await this.#hooks.execute(line);
    if (this.#isOver()) return;
    this.#reply(reply);
  }

  #reply(text: string): void {
    this.#state = 'replying';
    this.#chunks = [];
    clearTimeout(this.#quiet);
    clearTimeout(this.#deadline);
    this.#deadline = setTimeout(() => this.drop(), this.#limits.replyMs);
    this.#socket.setTimeout(this.#limits.stallMs, () => this.drop());
    // The client reads to the end of the stream and closes; one that has closed already is done with.
    this.#socket.end(text);
  }

  #isOver(): boolean {
    return this.#state === 'over';
  }
}
