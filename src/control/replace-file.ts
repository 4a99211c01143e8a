/** Writing a file so that a reader sees the old content or the new, and never a part of it. */
import { randomBytes } from 'node:crypto';
import { open, realpath, rename, rm, stat } from 'node:fs/promises';
import { CommandError, causeOf } from './errors.js';

/** Writes beside `file` and renames; a link stays a link, an existing file keeps its mode. Throws CommandError. */
export async function replaceFile(file: string, text: string): Promise<void> {
  const target = await realpath(file).catch(() => file);
  const existing = await stat(target).catch(() => undefined);
  // Renaming over a device or a socket would take it away from everyone.
  if (existing && !existing.isFile()) throw new CommandError(`cannot write '${file}': not a regular file`);
  const temporary = `${target}.${randomBytes(6).toString('hex')}.tmp`;
  try {
    const handle = await open(temporary, 'wx', 0o644);
    try {
      if (existing) await handle.chmod(existing.mode & 0o777);
      await handle.writeFile(text);
      await handle.sync();
    } finally {
      await handle.close();
    }
    await rename(temporary, target);
  } catch (error) {
    await rm(temporary, { force: true }).catch(() => {});
    throw new CommandError(`cannot write '${file}': ${causeOf(error)}`, { isFromOutside: true, cause: error });
  }
}
