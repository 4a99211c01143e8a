/**
 * Lines as datagrams, one each, to penlogd or whoever gathers logs. Nobody acknowledges them: what is known to be lost is
 * what the kernel refuses, and what the other host says nobody takes (ICMP port unreachable, for an earlier line).
 */
import { createSocket, type Socket } from 'node:dgram';
import { formatEndpoint, formatIp, type IpEndpoint, type IpWords } from '../core/address.js';
import { ALL_WRITTEN, causeOf, type Sink, type Written } from './sink.js';

/** Lines on their way at a time. */
const AT_ONCE = 64;

export class DatagramSink implements Sink {
  readonly name: string;
  /** At once: penlogd should hear of a request before the web server has answered it. */
  readonly delayMs = 0;
  readonly isPenlogd = true;
  readonly #socket: Socket;
  /** What the socket has told between batches. */
  #refused: string | undefined;

  /** From the address `from`, or whichever the kernel takes. Throws what bind(2) and connect(2) say. */
  static async open(to: IpEndpoint, from?: IpWords): Promise<DatagramSink> {
    const socket = createSocket(to.family === 4 ? 'udp4' : 'udp6');
    await new Promise<void>((resolve, reject) => {
      socket.once('error', reject);
      const connect = () =>
        socket.connect(to.port, formatIp(to.address), () => {
          socket.off('error', reject);
          resolve();
        });
      if (from === undefined) connect();
      else socket.bind(0, formatIp(from), connect);
    }).catch((error: unknown) => {
      socket.close();
      throw error;
    });
    return new DatagramSink(socket, `penlogd at ${formatEndpoint(to)}`);
  }

  private constructor(socket: Socket, name: string) {
    this.name = name;
    this.#socket = socket;
    socket.on('error', (error) => {
      this.#refused = causeOf(error);
    });
    // Logging alone keeps no process alive.
    socket.unref();
  }

  async write(bytes: Uint8Array, length: number): Promise<Written> {
    let lost = 0;
    let cause = this.#refused;
    this.#refused = undefined;
    if (cause !== undefined) lost++;
    for (let at = 0; at < length; ) {
      const sending: Promise<string | undefined>[] = [];
      while (at < length && sending.length < AT_ONCE) {
        const end = bytes.indexOf(10, at) + 1;
        sending.push(this.#send(bytes.subarray(at, end)));
        at = end;
      }
      for (const refusal of await Promise.all(sending)) {
        if (refusal === undefined) continue;
        lost++;
        cause = refusal;
      }
    }
    return lost === 0 ? ALL_WRITTEN : { lost, cause };
  }

  /** A datagram has no place that could be renamed. */
  async reopen(): Promise<void> {}

  async close(): Promise<void> {
    await new Promise<void>((resolve) => this.#socket.close(() => resolve()));
  }

  #send(line: Uint8Array): Promise<string | undefined> {
    return new Promise((resolve) => this.#socket.send(line, (error) => resolve(error ? causeOf(error) : undefined)));
  }
}
