/** `penctl ADDRESS COMMAND...`: sends one command to a running pen and shows the reply. */
import { connect, type Socket } from 'node:net';
import { splitHostPort } from '../core/address.js';
import { lineOf, StartError, statusOf, UsageError } from './errors.js';
import { version } from './version.js';

const USAGE = 'usage: penctl HOST:PORT|/PATH/TO/SOCKET COMMAND...';

/** A pen that answers nothing for so long is stuck, or is none. */
const PATIENCE_MS = 10_000;

/** Runs the program. Status 0: a reply that is no error; 1: an error reply, or pen can't be reached; 2: usage. */
export async function main(argv: readonly string[]): Promise<void> {
  if (argv[0] === '--help') {
    process.stdout.write(
      `${USAGE}\n\nThe command "help" lists the commands, for example: penctl localhost:8888 help\n`,
    );
    return;
  }
  if (argv[0] === '--version') {
    process.stdout.write(`penctl ${version()}\n`);
    return;
  }
  try {
    const { address, command } = parsePenctl(argv);
    const reply = await ask(address, command);
    const isError = reply.startsWith('error:');
    (isError ? process.stderr : process.stdout).write(reply);
    process.exitCode = isError ? 1 : 0;
  } catch (failure) {
    process.stderr.write(`penctl: ${lineOf(failure)}\n`);
    process.exitCode = statusOf(failure);
  }
}

export type ControlAddress =
  | { readonly text: string; readonly path: string }
  | { readonly text: string; readonly host: string; readonly port: number };

/** Grammar of the command line. Throws UsageError. */
export function parsePenctl(argv: readonly string[]): { address: ControlAddress; command: string } {
  const [text, ...words] = argv;
  if (text === undefined || words.length === 0) throw new UsageError(USAGE);
  const command = words.join(' ');
  if (/[\r\n]/.test(command)) throw new UsageError('a command is one line');
  return { address: parseAddress(text), command };
}

function parseAddress(text: string): ControlAddress {
  if (text.includes('/')) return { text, path: text };
  const { host, port } = splitHostPort(text);
  if (!host || !port || !/^\d{1,5}$/.test(port) || Number(port) < 1 || Number(port) > 65_535) {
    throw new UsageError(`'${text}' is no control address (HOST:PORT or /PATH/TO/SOCKET)`);
  }
  return { text, host, port: Number(port) };
}

function ask(address: ControlAddress, command: string): Promise<string> {
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
