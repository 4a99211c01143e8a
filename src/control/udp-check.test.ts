import assert from 'node:assert/strict';
import { test } from 'node:test';
import { emptySlot, type Settings } from '../core/configuration.js';
import { emptySetup, type Setup } from './draft.js';
import { udpProblems } from './udp-check.js';

const unix = { kind: 'unix', path: '/run/x' } as const;

function setup(
  settings: Partial<Settings>,
  more: Partial<Setup['configuration']> = {},
  listen?: Setup['listen'],
): Setup {
  const { configuration } = emptySetup;
  return {
    ...emptySetup,
    listen,
    configuration: { ...configuration, ...more, settings: { ...configuration.settings, udp: true, ...settings } },
  };
}

test('udpProblems names everything that cannot be had together with UDP', () => {
  const rows: [Setup, RegExp | undefined][] = [
    [setup({}), undefined],
    [setup({ hash: true, roundRobin: true, udpExpectSec: 3 }), undefined],
    [setup({ dummy: true }), /^dummy/],
    [setup({ idlers: 1 }), /^idlers/],
    [setup({ transparent: 'address' }), /^transparent/],
    [setup({ transparentListen: true }), /^transparent/],
    [setup({}, { servers: [{ ...emptySlot, endpoint: unix }] }), /^a server of UDP/],
    [setup({}, { emergency: { ...emptySlot, endpoint: unix } }), /^a server of UDP/],
    [setup({}, {}, { text: '/run/x', endpoint: unix }), /^cannot listen/],
    [setup({ udp: false, dummy: true, idlers: 1 }, {}, { text: '/run/x', endpoint: unix }), undefined],
  ];
  for (const [given, want] of rows) {
    const problems = udpProblems(given);
    assert.equal(problems.length, want ? 1 : 0, `${problems}`);
    if (want) assert.match(problems[0], want);
  }
});
