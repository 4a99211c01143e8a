/**
 * The pid file: the number of the process that takes the signals, no newline. It is written before privileges
 * are dropped and removed on exit; where the new user (or a chroot) stands in the way of removing it, it is emptied.
 */
import { closeSync, fstatSync, ftruncateSync, lstatSync, openSync, readFileSync, unlinkSync, writeSync } from 'node:fs';
import { basename } from 'node:path';
import { StartError } from './errors.js';

export interface PidFile {
  /** Idempotent; does not throw. */
  remove(): void;
}

/** Writes our number to `path`, in place of a stale file. Throws StartError, having changed nothing. */
export function writePidFile(path: string, program = 'pen'): PidFile {
  clearStale(path, program);
  let descriptor: number;
  try {
    descriptor = openSync(path, 'wx', 0o644);
    writeSync(descriptor, String(process.pid));
  } catch (failure) {
    throw cannotWrite(path, (failure as NodeJS.ErrnoException).code ?? String(failure));
  }

  let isRemoved = false;
  return {
    remove() {
      if (isRemoved) return;
      isRemoved = true;
      try {
        ftruncateSync(descriptor);
        // In a chroot the same path may name another file.
        if (lstatSync(path).ino === fstatSync(descriptor).ino) unlinkSync(path);
      } catch {
        // Emptied is the best that can be done; it no longer names a process.
      } finally {
        closeSync(descriptor);
      }
    },
  };
}

/** Removes what an earlier pen has left; refuses to touch anything else. */
function clearStale(path: string, program: string): void {
  let text: string;
  try {
    if (!lstatSync(path).isFile()) throw cannotWrite(path, 'it exists and is not a regular file');
    text = readFileSync(path, 'utf8');
  } catch (failure) {
    if (failure instanceof StartError) throw failure;
    const { code } = failure as NodeJS.ErrnoException;
    if (code === 'ENOENT') return;
    throw cannotWrite(path, code ?? String(failure));
  }
  if (!/^\s*\d*\s*$/.test(text)) throw cannotWrite(path, 'it exists and is not a pid file');
  const pid = Number(text);
  if (isRunning(program, pid)) {
    throw cannotWrite(path, `${program} is running as process ${pid} (stop it, or choose another -p)`);
  }
  try {
    unlinkSync(path);
  } catch (failure) {
    throw cannotWrite(path, (failure as NodeJS.ErrnoException).code ?? String(failure));
  }
}

function cannotWrite(path: string, cause: string): StartError {
  return new StartError(`cannot write pid file '${path}': ${cause}`);
}

/** A number may have been given to another program since: where /proc tells, only one of ours counts. */
function isRunning(program: string, pid: number): boolean {
  if (pid === 0 || pid === process.pid || pid === process.ppid) return false;
  try {
    process.kill(pid, 0);
  } catch (failure) {
    if ((failure as NodeJS.ErrnoException).code !== 'EPERM') return false;
  }
  try {
    const words = readFileSync(`/proc/${pid}/cmdline`, 'utf8').split('\0');
    return words.some((word) => basename(word) === program);
  } catch {
    return process.platform !== 'linux';
  }
}
