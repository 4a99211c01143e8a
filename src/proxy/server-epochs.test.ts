import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ipEndpoint, parseIp } from '../core/address.js';
import { EMERGENCY_SLOT, emptyConfiguration, emptySlot, type ServerSpec } from '../core/configuration.js';
import { ServerEpochs } from './server-epochs.js';

function server(port: number, more: Partial<ServerSpec> = {}): ServerSpec {
  const words = parseIp('127.0.0.1');
  assert.ok(words);
  return { ...emptySlot, endpoint: ipEndpoint(words, port), ...more };
}

test('ServerEpochs changes with the server in a slot, and with nothing else', () => {
  const epochs = new ServerEpochs();
  epochs.configure({ ...emptyConfiguration, servers: [server(1), server(2)], emergency: server(9) });
  const before = [0, 1, EMERGENCY_SLOT].map((slot) => epochs.of(slot));
  const rows: [ServerSpec[], boolean, boolean][] = [
    [[server(1, { max: 5 }), server(2)], false, false],
    [[server(1), server(3)], false, true],
    [[server(1)], false, true],
    [[emptySlot, server(2)], true, true],
  ];
  for (const [servers, changes0] of rows) {
    const was0 = epochs.of(0);
    epochs.configure({ ...emptyConfiguration, servers, emergency: server(9) });
    assert.equal(epochs.of(0) !== was0, changes0);
  }
  assert.notEqual(epochs.of(1), before[1]);
  assert.equal(epochs.of(EMERGENCY_SLOT), before[2]);
  epochs.configure(emptyConfiguration);
  assert.notEqual(epochs.of(EMERGENCY_SLOT), before[2]);
});
