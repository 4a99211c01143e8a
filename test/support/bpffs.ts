/** A bpffs of a test's own. `ip netns exec` gives programs another /sys, so that of the host would not be there. */
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readdirSync, rmdirSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { atEnd, type Scene } from './ending.js';

/** Mounts one; it and what is pinned in it go with the test. Needs root. */
export function bpffs(t: Scene): string {
  const directory = mkdtempSync(join(tmpdir(), 'pen-bpffs-'));
  execFileSync('mount', ['-t', 'bpf', 'bpf', directory]);
  atEnd(t, () => {
    execFileSync('umount', [directory]);
    rmdirSync(directory);
  });
  return directory;
}

/** What is pinned there, as paths. */
export function pinned(directory: string): string[] {
  return readdirSync(directory, { recursive: true, withFileTypes: true })
    .filter((entry) => !entry.isDirectory())
    .map((entry) => join(entry.parentPath, entry.name).slice(directory.length + 1))
    .sort();
}
