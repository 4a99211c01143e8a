/** Unix sockets that only their owner may use: bound with mode 0600, and in the place of one that nobody answers on. */
import { lstat, unlink } from 'node:fs/promises';
import { connect, type Server } from 'node:net';
import { CommandError, causeOf } from './errors.js';

/** Binds with mode 0600 from the first moment: a mode set afterwards would leave a gap. Binding a path is synchronous. */
export function listenPrivately(server: Server, path: string): void {
  const mask = process.umask(0o177);
  try {
    server.listen({ path });
  } finally {
    process.umask(mask);
  }
}

/** Removes a socket that nobody answers on. Throws CommandError if somebody does, or if it is something else. */
export async function removeStale(path: string, purpose: string): Promise<void> {
  const found = await lstat(path).catch(() => undefined);
  if (!found) return;
  const fail = (why: string): never => {
    throw new CommandError(`cannot listen for ${purpose} on '${path}': ${why}`, { isFromOutside: true });
  };
  if (!found.isSocket()) fail('the file exists and is no socket');
  const answer = await new Promise<string>((resolve) => {
    const probe = connect({ path });
    probe.once('connect', () => resolve('connected'));
    probe.once('error', (error) => resolve(causeOf(error)));
    probe.once('close', () => probe.destroy());
    probe.unref();
    probe.once('connect', () => probe.destroy());
  });
  if (answer === 'connected' || answer === 'EAGAIN') fail('a running pen answers there');
  if (answer !== 'ECONNREFUSED') fail(answer);
  await unlink(path).catch((error: unknown) => fail(causeOf(error)));
}
