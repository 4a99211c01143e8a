/** A folder of the scenario's own, gone when it ends. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { atEnd, type Scene } from './ending.js';

/** Path of an empty folder, short enough for Unix sockets in it. */
export function scratch(t: Scene): string {
  const folder = mkdtempSync(join(tmpdir(), 'pen-'));
  atEnd(t, () => rmSync(folder, { recursive: true, force: true }));
  return folder;
}
