/** The version of the installed package. */
import { readFileSync } from 'node:fs';

/** `version` of the nearest package.json above this file. */
export function version(): string {
  for (let folder = new URL('./', import.meta.url); ; folder = new URL('../', folder)) {
    try {
      return JSON.parse(readFileSync(new URL('package.json', folder), 'utf8')).version;
    } catch (failure) {
      if ((failure as NodeJS.ErrnoException).code !== 'ENOENT' || folder.pathname === '/') throw failure;
    }
  }
}
