import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ANY_V4, ANY_V6, type IpWords, ipEndpoint } from '../core/address.js';
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

const listening = (words: IpWords): Setup['listen'] => ({ text: '', endpoint: ipEndpoint(words, 53) });

test('udpProblems names everything that cannot be had together with UDP', () => {
  const rows: [Setup, RegExp | undefined][] = [
    [setup({}), undefined],
    [setup({ hash: true, roundRobin: true, udpExpectSec: 3 }), undefined],
    [setup({ dummy: true }), /^dummy/],
    [setup({ idlers: 1 }), /^idlers/],
    [setup({ transparent: 'port', transparentListen: true }, {}, listening(ANY_V4)), undefined],
    [setup({ transparent: 'port', transparentListen: true }, {}, listening(ANY_V6)), undefined],
    [setup({ transparent: 'address' }, {}, listening([0, 0, 0xffff, 0x7f000001])), undefined],
    [setup({ transparentListen: true }, {}, listening([0, 0, 0xffff, 0x7f000001])), /^transparent listen of UDP needs/],
    [setup({ transparentListen: true }, {}, listening([0, 0, 0, 1])), /^transparent listen of UDP needs/],
    [setup({ http: true }), /^http is for TCP/],
    [setup({ peek: true }), /^peek/],
    [
      setup(
        {},
        {
          servers: [
            { ...emptySlot, proxy: 'v2' },
            { ...emptySlot, proxy: 'v1' },
          ],
        },
      ),
      /^server 1 proxy v1 is for TCP/,
    ],
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
