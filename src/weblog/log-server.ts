/** penlogd at work: takes datagrams from pen and from web servers, and writes one log with the clients' addresses. */
import { createSocket, type RemoteInfo, type Socket } from 'node:dgram';
import { formatIp, type IpEndpoint } from '../core/address.js';
import { LineWriter } from './line-writer.js';
import { canonicalAddress } from './log-line.js';
import { LogMerger } from './log-merger.js';
import type { Sink } from './sink.js';

/** Asked for; the kernel gives what net.core.rmem_max allows. A burst of lines waits here. */
const RECEIVE_BYTES = 8 << 20;

export interface LogServerOptions {
  readonly listen: IpEndpoint;
  /** Requests to remember. */
  readonly capacity: number;
  readonly sink: Sink;
  monotonicMs(): number;
  warn(line: string): void;
  debug(line: string): void;
}

export class LogServer {
  readonly #socket: Socket;
  readonly #writer: LineWriter;
  readonly #merger: LogMerger;
  readonly #options: LogServerOptions;
  #flushTimer: NodeJS.Timeout | undefined;
  #expiryTimer: NodeJS.Timeout | undefined;

  /** Resolves when it takes datagrams. Throws what bind(2) says. */
  static async start(options: LogServerOptions): Promise<LogServer> {
    const { address, family, port } = options.listen;
    const socket = createSocket(family === 4 ? 'udp4' : 'udp6');
    await new Promise<void>((resolve, reject) => {
      socket.once('error', reject);
      socket.bind(port, formatIp(address), () => {
        socket.off('error', reject);
        resolve();
      });
    }).catch((error: unknown) => {
      socket.close();
      throw error;
    });
    socket.setRecvBufferSize(RECEIVE_BYTES);
    return new LogServer(socket, options);
  }

  private constructor(socket: Socket, options: LogServerOptions) {
    this.#socket = socket;
    this.#options = options;
    this.#writer = new LineWriter(options.sink, options);
    this.#merger = new LogMerger({
      capacity: options.capacity,
      monotonicMs: options.monotonicMs,
      write: (line) => this.#write(line),
      debug: options.debug,
    });
    socket.on('message', (message, from) => this.#take(message, from));
    socket.on('error', (error) => options.warn(`cannot receive: ${error.message}`));
  }

  /** The port that was chosen for port 0. */
  get port(): number {
    return this.#socket.address().port;
  }

  /** For a log that has been renamed. Never rejects. */
  reopen(): Promise<void> {
    return this.#writer.reopen();
  }

  /** Writes what has come, and ends. */
  async close(): Promise<void> {
    clearTimeout(this.#expiryTimer);
    await new Promise<void>((resolve) => this.#socket.close(() => resolve()));
    this.#merger.flush();
    clearTimeout(this.#flushTimer);
    await this.#writer.close();
  }

  #take(message: Buffer, from: RemoteInfo): void {
    this.#merger.take(message.toString('latin1'), canonicalAddress(from.address));
    if (this.#expiryTimer === undefined) this.#expireLater();
  }

  #expireLater(): void {
    const { deadlineMs } = this.#merger;
    this.#expiryTimer = undefined;
    if (deadlineMs === Number.POSITIVE_INFINITY) return;
    this.#expiryTimer = setTimeout(
      () => {
        this.#merger.expire(this.#options.monotonicMs());
        this.#expireLater();
      },
      Math.max(1, deadlineMs - this.#options.monotonicMs()),
    );
  }

  #write(line: string): void {
    const { buffer } = this.#writer;
    if (!buffer.hasRoom(line.length + 1)) {
      this.#writer.addLost(1, 'they come faster than they can be written');
      return;
    }
    buffer.put(line);
    buffer.endLine();
    this.#flushTimer ??= setTimeout(() => void this.#flush(), this.#writer.sink.delayMs);
  }

  async #flush(): Promise<void> {
    await this.#writer.flush();
    this.#flushTimer = undefined;
    if (this.#writer.buffer.lines > 0) this.#flushTimer = setTimeout(() => void this.#flush(), 0);
  }
}
