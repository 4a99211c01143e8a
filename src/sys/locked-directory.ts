/**
 * A directory that one process has for itself (flock(2)). The lock is the open descriptor's, so it ends with the process,
 * however that ends; and through the descriptor files can be removed from inside another root directory.
 */
import { closeSync, constants, fstatSync, openSync, statSync } from 'node:fs';
import { ERRNO, SystemError } from './errno.js';
import { lastErrno, libc } from './libc.js';
import { AT_REMOVEDIR, LOCK_EX, LOCK_NB } from './uapi/fcntl.js';

export class LockedDirectory {
  readonly path: string;
  readonly #fd: number;
  #isClosed = false;

  private constructor(path: string, fd: number) {
    this.path = path;
    this.#fd = fd;
  }

  /** undefined if another process has it. Throws Node's error for what cannot be opened. */
  static open(path: string): LockedDirectory | undefined {
    for (;;) {
      const fd = openSync(path, constants.O_RDONLY | constants.O_DIRECTORY);
      const locked = libc().flock(fd, LOCK_EX | LOCK_NB);
      const errno = locked < 0 ? lastErrno() : 0;
      // Whoever had it may have removed it meanwhile: then this is the lock of a directory that is no more.
      if (errno === 0 && isStill(path, fd)) return new LockedDirectory(path, fd);
      closeSync(fd);
      if (errno === ERRNO.EAGAIN) return undefined;
      if (errno !== 0) throw new SystemError('lock', errno, path);
    }
  }

  /** Removes a file of it, or of a folder in it. Throws a SystemError (EACCES). What is not there is removed already. */
  removeFile(name: string): void {
    this.#remove(name, 0);
  }

  /** Removes an empty folder in it. The same holds. */
  removeFolder(name: string): void {
    this.#remove(name, AT_REMOVEDIR);
  }

  /** Gives the lock back. */
  close(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    closeSync(this.#fd);
  }

  #remove(name: string, flags: number): void {
    if (libc().unlinkat(this.#fd, name, flags) === 0) return;
    const errno = lastErrno();
    if (errno !== ERRNO.ENOENT) throw new SystemError('remove', errno, `${this.path}/${name}`);
  }
}

function isStill(path: string, fd: number): boolean {
  const [now, mine] = [statSync(path, { throwIfNoEntry: false }), fstatSync(fd)];
  return now?.ino === mine.ino && now.dev === mine.dev;
}
