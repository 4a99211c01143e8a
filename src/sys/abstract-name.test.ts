import assert from 'node:assert/strict';
import { test } from 'node:test';
import { takeAbstractName } from './abstract-name.js';
import { libc } from './libc.js';

const skip = process.platform === 'linux' ? false : 'abstract names are Linux';

test('takeAbstractName gives a name to one at a time, and to the next when that has closed it', { skip }, () => {
  const name = `pen-test/${process.pid}`;
  const first = takeAbstractName(name);
  assert.notEqual(first, undefined);
  assert.equal(takeAbstractName(name), undefined);
  const other = takeAbstractName(`${name}/`);
  assert.notEqual(other, undefined, 'a longer one is another');
  for (const fd of [first, other]) libc().close(fd as number);
  const again = takeAbstractName(name);
  assert.notEqual(again, undefined);
  libc().close(again as number);
  assert.throws(() => takeAbstractName('x'.repeat(108)), RangeError);
});
