import assert from 'node:assert/strict';
import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { LockedDirectory } from './locked-directory.js';

const skip = process.platform === 'linux' ? false : 'unlinkat(2) and flock(2) are bound for Linux';

test('LockedDirectory is had by one at a time, and removes what is in it', { skip }, (t) => {
  const path = mkdtempSync(join(tmpdir(), 'pen-lock-'));
  t.after(() => rmSync(path, { recursive: true, force: true }));
  mkdirSync(join(path, 'folder'));
  writeFileSync(join(path, 'folder', 'file'), '');
  const one = LockedDirectory.open(path) as LockedDirectory;
  assert.equal(LockedDirectory.open(path), undefined);
  assert.throws(() => one.removeFolder('folder'), { message: `cannot remove '${path}/folder': ENOTEMPTY` });
  one.removeFile('folder/file');
  one.removeFile('folder/file');
  one.removeFolder('folder');
  assert.equal(existsSync(join(path, 'folder')), false);
  one.close();
  one.close();
  const two = LockedDirectory.open(path);
  assert.ok(two);
  two.close();
  assert.throws(() => LockedDirectory.open(join(path, 'none')), { code: 'ENOENT' });
});
