/** One question to a running pen's control port or socket. */
import { connect, type Socket } from 'node:net';
import { splitHostPort } from '../core/address.js';
import { StartError, UsageError } from './errors.js';

/** A pen that answers nothing for so long is stuck, or is none. */
const PATIENCE_MS = 10_000;

export type ControlAddress =
  | { readonly text: string; readonly path: string }
  | { readonly text: string; readonly host: string; readonly port: number };

/** HOST:PORT or a path. Throws UsageError. */
export function parseAddress(text: string): ControlAddress {
  if (text.includes('/')) return { text, path: text };
  const { host, port } = splitHostPort(text);
  if (!host || !port || !/^\d{1,5}$/.test(port) || Number(port) < 1 || Number(port) > 65_535) {
    throw new UsageError(`'${text}' is no control address (HOST:PORT or /PATH/TO/SOCKET)`);
  }
  return { text, host, port: Number(port) };
}

/** The reply to one command. Rejects with a StartError if pen can't be reached or says nothing. */
export function ask(address: ControlAddress, command: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const socket: Socket = connect('path' in address ? { path: address.path } : address);
    const chunks: Buffer[] = [];
    const fail = (cause: string) => {
      clearTimeout(timer);
      socket.destroy();
      reject(new StartError(`cannot ask pen at '${address.text}': ${cause}`));
    };
    const timer = setTimeout(() => fail(`no reply within ${PATIENCE_MS / 1000} s`), PATIENCE_MS);
    socket.on('connect', () => socket.write(`${command}\n`));
    socket.on('data', (chunk: Buffer) => chunks.push(chunk));
    socket.on('error', (failure: NodeJS.ErrnoException) => fail(causeOf(failure)));
    socket.on('end', () => {
      clearTimeout(timer);
      socket.destroy();
      resolve(Buffer.concat(chunks).toString());
    });
  });
}

/** Node's error code and, where it helps, what to look at. */
function causeOf(failure: NodeJS.ErrnoException): string {
  const hints: Record<string, string> = {
    ECONNREFUSED: 'is pen running, with -C?',
    ENOENT: 'is pen running, with -C?',
    ENOTFOUND: 'no such host',
    EACCES: 'the socket belongs to another user',
  };
  const code = failure.code ?? failure.message;
  return hints[code] ? `${code} (${hints[code]})` : code;
}
