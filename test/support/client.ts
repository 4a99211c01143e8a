/** Clients of a scenario: web requests on connections of their own, and plain TCP exchanges. */
import { request } from 'node:http';
import { connect, type NetConnectOpts, type Socket } from 'node:net';
import { within } from './wait.js';

export interface Answer {
  readonly status: number;
  readonly body: string;
}

export interface Ask {
  readonly path?: string;
  /** The client's own address; every 127.x.y.z is the local host's. */
  readonly from?: string;
  /** Whom to ask, 127.0.0.1 unless given. */
  readonly host?: string;
}

/** One web request on a new connection. */
export function get(port: number, ask: Ask = {}): Promise<Answer> {
  const { host = '127.0.0.1', path = '/', from } = ask;
  const answer = new Promise<Answer>((resolve, reject) => {
    const asking = request({ host, port, path, agent: false, ...(from ? { localAddress: from } : {}) }, (response) => {
      let body = '';
      response.setEncoding('utf8');
      response.on('data', (text: string) => {
        body += text;
      });
      response.on('end', () => resolve({ status: response.statusCode ?? 0, body }));
      response.on('error', reject);
    });
    asking.on('error', reject);
    asking.end();
  });
  return within(`answer to GET ${path} on port ${port}`, answer);
}

/** The bodies of `n` requests, one after the other. */
export async function getMany(n: number, port: number, ask: Ask = {}): Promise<string[]> {
  const bodies: string[] = [];
  while (bodies.length < n) bodies.push((await get(port, ask)).body);
  return bodies;
}

/** An open connection (half-close stays half); the caller ends it. */
export function dial(to: number | string | NetConnectOpts): Promise<Socket> {
  const options: NetConnectOpts =
    typeof to === 'number' ? { port: to, host: '127.0.0.1' } : typeof to === 'string' ? { path: to } : to;
  const open = new Promise<Socket>((resolve, reject) => {
    const socket = connect({ ...options, allowHalfOpen: true }, () => resolve(socket));
    socket.on('error', reject);
  });
  return within('a connection', open);
}

/** Everything the other side sends until it ends. */
export function readAll(socket: Socket): Promise<Buffer> {
  const all = new Promise<Buffer>((resolve, reject) => {
    const chunks: Buffer[] = [];
    socket.on('data', (chunk: Buffer) => chunks.push(chunk));
    socket.on('end', () => resolve(Buffer.concat(chunks)));
    socket.on('error', reject);
  });
  return within('the end of a stream', all);
}

/** Sends `data`, half-closes, and gives everything that comes back. */
export async function exchange(to: number | string | NetConnectOpts, data: string | Uint8Array): Promise<Buffer> {
  const socket = await dial(to);
  const all = readAll(socket);
  socket.end(data);
  try {
    return await all;
  } finally {
    socket.destroy();
  }
}
