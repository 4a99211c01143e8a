/** Servers for pen to balance: they answer, count, die and come back on the same port. */
import { createServer as createHttpServer, type RequestListener } from 'node:http';
import { type AddressInfo, createServer, type Server, type Socket } from 'node:net';
import { atEnd, type Scene } from './ending.js';

export interface Backend {
  readonly name: string;
  readonly port: number;
  /** HOST:PORT or path, ready to be a SERVER operand. */
  readonly address: string;
  /** Requests (HTTP) or connections (TCP) that have come so far. */
  count(): number;
  /** Dies: connections are cut, new ones refused. */
  kill(): Promise<void>;
  /** Is back on the same port. */
  revive(): Promise<void>;
}

export interface BackendScript {
  readonly name?: string;
  /** A host to listen on, 127.0.0.1 unless given, or an absolute path for a Unix socket. */
  readonly on?: string;
}

let born = 0;

/** A web server that answers its own name, or as `answer` says. */
export function backend(
  t: Scene,
  script: BackendScript & { readonly answer?: RequestListener } = {},
): Promise<Backend> {
  const name = script.name ?? `www${++born}`;
  const answer: RequestListener = script.answer ?? ((_request, response) => void response.end(name));
  return open(t, script, name, (counted) => {
    const server = createHttpServer({ keepAliveTimeout: 60_000 }, (request, response) => {
      counted();
      answer(request, response);
    });
    return server;
  });
}

/** A TCP server that does as `serve` says with each connection; unless told, it sends back what it gets, half-close included. */
export function tcpBackend(
  t: Scene,
  script: BackendScript & { readonly serve?: (socket: Socket) => void } = {},
): Promise<Backend> {
  const name = script.name ?? `tcp${++born}`;
  const serve = script.serve ?? ((socket: Socket) => void socket.pipe(socket));
  return open(t, script, name, (counted) =>
    createServer({ allowHalfOpen: true }, (socket) => {
      counted();
      socket.on('error', () => socket.destroy());
      serve(socket);
    }),
  );
}

async function open(
  t: Scene,
  script: BackendScript,
  name: string,
  make: (counted: () => void) => Server,
): Promise<Backend> {
  const host = script.on ?? '127.0.0.1';
  const isPath = host.includes('/');
  const sockets = new Set<Socket>();
  let count = 0;
  let server: Server | undefined;
  let port = 0;

  const revive = async () => {
    const fresh = make(() => {
      count += 1;
    });
    fresh.on('connection', (socket: Socket) => {
      sockets.add(socket);
      socket.on('close', () => sockets.delete(socket));
    });
    await new Promise<void>((resolve, reject) => {
      fresh.on('error', reject);
      if (isPath) fresh.listen(host, resolve);
      else fresh.listen(port, host, resolve);
    });
    if (!isPath) port = (fresh.address() as AddressInfo).port;
    server = fresh;
  };
  const kill = async () => {
    const dying = server;
    server = undefined;
    if (!dying) return;
    const closed = new Promise((resolve) => dying.close(resolve));
    for (const socket of sockets) socket.destroy();
    await closed;
  };

  await revive();
  atEnd(t, kill);
  const address = isPath ? host : host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`;
  return { name, port, address, count: () => count, kill, revive };
}
