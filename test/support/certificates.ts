/** The certificates of test/fixtures/tls, and TLS clients and servers that use them. */
import { readFileSync } from 'node:fs';
import type { AddressInfo } from 'node:net';
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
export function secureVisitor(t: Scene, port: number, options: ConnectionOptions = {}): Promise<TLSSocket> {
  const socket = connect({
    host: '127.0.0.1',
    port,
    ca: pem('ca.crt'),
    servername: 'localhost',
    allowHalfOpen: true,
    ...options,
  } as ConnectionOptions);
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
