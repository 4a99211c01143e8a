/**
 * Lines of requests for penlogd, sent by the worker itself before the server is given the request: penlogd looks for pen's
 * line when the web server's comes, and C Pen's does not look twice. By way of the main thread a third to a half of the lines
 * came too late for it (two cores, nginx, 50 connections). Costs 2 us a request, and never waits.
 */
import type { Settings } from '../core/configuration.js';
import { hasFfi } from '../sys/ffi.js';
import { LineSocket } from '../sys/line-socket.js';
import { LineBuffer } from '../weblog/line-buffer.js';
import type { Surroundings, WriteLine } from '../weblog/log-format.js';
import type { LogRing } from '../weblog/log-ring.js';
import { penLines } from '../weblog/pen-format.js';

export class PenlogdLine {
  #target: Settings['log'];
  #socket: LineSocket | undefined;
  #line: LineBuffer | undefined;
  readonly #surroundings: Surroundings;
  readonly #writeLine: WriteLine = penLines(true);

  constructor(serverPath: (slot: number) => string) {
    this.#surroundings = { wallShiftMs: 0, serverPath };
  }

  /** Lines go this way; otherwise they go by way of the main thread. */
  get isOpen(): boolean {
    return this.#socket !== undefined;
  }

  configure({ log, logFormat }: Settings): void {
    const target = logFormat === 'pen' && log?.endpoint !== undefined && hasFfi() ? log : undefined;
    if (target === this.#target) return;
    this.#socket?.close();
    this.#socket = undefined;
    this.#target = target;
    if (target?.endpoint === undefined) return;
    try {
      this.#socket = LineSocket.open(target.endpoint);
      this.#line = new LineBuffer(this.#socket.bytes);
    } catch {
      // The main thread has a socket too; it will say what is wrong with the address.
    }
  }

  /** Sends the record at word `at`; 0 or -errno. Only while `isOpen`. */
  send(ring: LogRing, at: number): number {
    const line = this.#line as LineBuffer;
    line.clear();
    this.#writeLine(line, ring, at, this.#surroundings);
    return (this.#socket as LineSocket).send(line.at);
  }
}
