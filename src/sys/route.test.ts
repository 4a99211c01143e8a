import assert from 'node:assert/strict';
import { test } from 'node:test';
import { interfaceIndex } from './network-interface.js';
import { Routes } from './route.js';

const isLinux = process.platform === 'linux' ? false : 'netlink is Linux';

test('Routes says what is this host itself, of both families, again and again', { skip: isLinux }, () => {
  const routes = new Routes();
  try {
    const lo = interfaceIndex('lo');
    const v6 = Uint8Array.from([...new Uint8Array(15), 1]);
    for (const address of [Uint8Array.of(127, 0, 0, 1), v6, Uint8Array.of(127, 9, 9, 9)]) {
      const route = routes.to(address);
      assert.equal(route?.interfaceIndex, lo);
      assert.equal(route?.isUnicast, false);
      assert.equal(route?.gateway, undefined);
    }
  } finally {
    routes.close();
  }
  routes.close();
});
