/** One of the demo's web servers: says its name, counts what it is asked, can be killed and revived. */
import { createServer, type Server } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';

const LARGE = Buffer.alloc(200_000, 'large page ');
const SLOW_MS = 1500;

export class WebServer {
  readonly name: string;
  /** Requests answered since the demo began. */
  answered = 0;
  #port = 0;
  #server: Server | undefined;
  readonly #sockets = new Set<Socket>();

  constructor(name: string) {
    this.name = name;
  }

  get port(): number {
    return this.#port;
  }

  get isUp(): boolean {
    return this.#server !== undefined;
  }

  /** Listens on 127.0.0.1: on a free port the first time, afterwards always on that one. */
  async revive(): Promise<void> {
    const server = createServer((request, response) => {
      this.answered += 1;
      if (request.url === '/large') {
        response.end(LARGE);
        return;
      }
      if (request.url === '/slow') {
        setTimeout(() => response.end(`${this.name} took its time\n`), SLOW_MS);
        return;
      }
      response.setHeader('content-type', 'text/plain; charset=utf-8');
      // Always as long as the others': ab counts answers of another length as failed.
      response.end(`hello from ${this.name.padEnd(5)} on port ${String(this.#port).padEnd(5)}\n`);
    });
    server.on('connection', (socket: Socket) => {
      this.#sockets.add(socket);
      socket.on('close', () => this.#sockets.delete(socket));
    });
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject);
      server.listen(this.#port, '127.0.0.1', resolve);
    });
    this.#port = (server.address() as AddressInfo).port;
    this.#server = server;
  }

  /** As if it had crashed: its connections are cut, new ones refused. */
  kill(): void {
    this.#server?.close();
    this.#server = undefined;
    for (const socket of this.#sockets) socket.destroy();
  }
}
