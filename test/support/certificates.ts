/** The certificates of test/fixtures/tls, and TLS clients and servers that use them. */
import { readFileSync } from 'node:fs';
import type { AddressInfo, Socket } from 'node:net';
import { Duplex } from 'node:stream';
import { type ConnectionOptions, connect, createServer, type TLSSocket, type TlsOptions } from 'node:tls';
import { fileURLToPath } from 'node:url';
import { atEnd, type Scene } from './ending.js';
import { within } from './wait.js';

/** The path of a fixture: `ec.crt`, `names/one.example.key`. */
export function fixture(name: string): string {
  return fileURLToPath(new URL(`../../../test/fixtures/tls/${name}`, import.meta.url));
}

export function pem(name: string): string {
  return readFileSync(fixture(name), 'utf8');
}

/** `-E` and `-K` for a fixture certificate. */
export function serves(name: string): string[] {
  return ['-E', fixture(`${name}.crt`), '-K', fixture(`${name}.key`)];
}

/** A TLS client that trusts the fixtures' root; resolves when the handshake is done, rejects with its error. */
export function secureVisitor(
  t: Scene,
  port: number,
  { onKeyLog, ...options }: ConnectionOptions & { onKeyLog?: (line: string) => void } = {},
): Promise<TLSSocket> {
  const socket = connect({
    host: '127.0.0.1',
    port,
    ca: pem('ca.crt'),
    servername: 'localhost',
    allowHalfOpen: true,
    ...options,
  } as ConnectionOptions);
  if (onKeyLog) socket.on('keylog', (line) => onKeyLog(String(line).trim()));
  atEnd(t, () => void socket.destroy());
  const secure = new Promise<TLSSocket>((resolve, reject) => {
    socket.once('error', reject);
    socket.once('close', () => reject(new Error('closed')));
    socket.once('secureConnect', () => {
      socket.removeAllListeners('error').on('error', () => {});
      resolve(socket);
    });
  });
  return within('a TLS connection', secure);
}

/**
 * The same over a connection that is there already; `deliver` puts what the client says on the wire, in whatever pieces.
 * (Not by a `write` of the socket's: TLS would go past it, straight to the handle.)
 */
export function secureOver(
  t: Scene,
  raw: Socket,
  deliver: (chunk: Buffer) => Promise<void>,
  options: ConnectionOptions & { onKeyLog?: (line: string) => void } = {},
): Promise<TLSSocket> {
  const wire = new Duplex({
    read: () => void raw.resume(),
    write: (chunk: Buffer, _encoding, done) => void deliver(chunk).then(() => done(), done),
    final: (done) => void raw.end(done),
    destroy: (error, done) => {
      raw.destroy();
      done(error);
    },
  });
  raw.on('data', (chunk) => {
    if (!wire.push(chunk)) raw.pause();
  });
  raw.on('end', () => void wire.push(null)).on('error', (error) => wire.destroy(error));
  return secureVisitor(t, 0, { ...options, socket: wire });
}

/** A TLS server that greets with its name and echoes. */
export async function secureServer(
  t: Scene,
  name: string,
  options: TlsOptions,
): Promise<{ address: string; port: number; resumed: () => number; names: string[] }> {
  let resumed = 0;
  const names: string[] = [];
  const sockets = new Set<TLSSocket>();
  const server = createServer(options, (socket) => {
    sockets.add(socket);
    if (socket.isSessionReused()) resumed++;
    names.push(String(socket.servername || ''));
    socket.on('error', () => {}).on('close', () => sockets.delete(socket));
    socket.write(`${name}\n`);
    socket.pipe(socket);
  });
  server.on('tlsClientError', () => {});
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  atEnd(t, async () => {
    for (const socket of sockets) socket.destroy();
    await new Promise((resolve) => server.close(resolve));
  });
  const { port } = server.address() as AddressInfo;
  return { address: `127.0.0.1:${port}`, port, resumed: () => resumed, names };
}
