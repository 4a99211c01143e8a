import assert from 'node:assert/strict';
import { test } from 'node:test';
import { defaultDimensions } from './layout.js';
import { layoutFingerprint } from './layout-fingerprint.js';

test('layoutFingerprint changes with the size of a map that is carried over, not with that of the Maglev tables', () => {
  const one = layoutFingerprint(defaultDimensions);
  assert.match(one, /^[0-9a-f]{16}$/);
  assert.equal(layoutFingerprint({ ...defaultDimensions, pages: 8192 }), one);
  assert.notEqual(layoutFingerprint({ ...defaultDimensions, flows: 1024 }), one);
});
