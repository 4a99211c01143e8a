/** Socket files of Unix listeners: those that nobody listens on any more are removed, others are left alone. */
import { lstatSync, unlinkSync } from 'node:fs';
import { connect } from 'node:net';
import { ERRNO, SystemError } from '../sys/errno.js';

/** Removes the socket file of a listener that is gone; throws a SystemError: EADDRINUSE if it is not, ENOTSOCK for another file. */
export async function removeStaleSocket(path: string): Promise<void> {
  const found = lstatSync(path, { throwIfNoEntry: false });
  if (found === undefined) return;
  if (!found.isSocket()) throw new SystemError('listen', ERRNO.ENOTSOCK, path);
  if (await isListening(path)) throw new SystemError('listen', ERRNO.EADDRINUSE, path);
  unlinkSync(path);
}

function isListening(path: string): Promise<boolean> {
  return new Promise((resolve) => {
    const probe = connect(path);
    probe.once('connect', () => {
      probe.destroy();
      resolve(true);
    });
    probe.once('error', (error: NodeJS.ErrnoException) =>
      resolve(error.code !== 'ECONNREFUSED' && error.code !== 'ENOENT'),
    );
  });
}
