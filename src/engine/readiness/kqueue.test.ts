/** kqueue cannot run here; its layouts and the translation of its events can be tested as bytes. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { EV_ADD, EV_CLEAR, EVFILT_READ, EVFILT_WRITE, KEVENT_BYTES, writeChange } from '../../sys/uapi/kqueue.js';
import { chooseEngine } from '../choose.js';
import { engineSuite } from '../engine.suite.js';
import { bitsOf } from './kqueue.js';
import { FAILED, HUNG_UP, PEER_ENDED, READABLE, WRITABLE } from './poller.js';

const canRun = await chooseEngine('kqueue').then(
  () => true,
  () => false,
);
if (canRun) engineSuite('kqueue');

describe('struct kevent', () => {
  // ident:64 filter:16 flags:16 fflags:32 data:64 udata:64, and ext:256 on FreeBSD; little-endian.
  const head = 'e803000000000000 ffff 2100 00000000 0000000000000000 0000000000000000';
  for (const [system, rest] of [
    ['freebsd', '00'.repeat(32)],
    ['openbsd', ''],
    ['darwin', ''],
  ] as const) {
    test(`a change has the bytes that ${system} expects`, () => {
      const want = Buffer.from((head + rest).replaceAll(' ', ''), 'hex');
      assert.equal(KEVENT_BYTES[system], want.length);
      const view = new DataView(new ArrayBuffer(want.length));
      writeChange(view, 0, 1000, EVFILT_READ, EV_ADD | EV_CLEAR);
      assert.deepEqual(Buffer.from(view.buffer), want);
      writeChange(view, 0, 1000, EVFILT_WRITE, EV_ADD | EV_CLEAR);
      assert.equal(view.getInt16(8, true), -2);
    });
  }
});

describe('a kqueue event means', () => {
  const rows: ReadonlyArray<readonly [name: string, hex: string, bits: number]> = [
    ['readable', 'ffff 2000 00000000', READABLE],
    ['writable', 'feff 2000 00000000', WRITABLE],
    ['readable and the peer has ended when EV_EOF', 'ffff 2080 00000000', READABLE | PEER_ENDED],
    ['hung up when EV_EOF comes to a writer', 'feff 2080 00000000', WRITABLE | HUNG_UP],
    ['failed when EV_EOF brings an error', 'feff 2080 3d000000', WRITABLE | HUNG_UP | FAILED],
    ['nothing when a change is refused', 'ffff 2140 00000000', 0],
  ];
  for (const [name, hex, bits] of rows) {
    test(name, () => {
      const event = Buffer.from(`0700000000000000${hex.replaceAll(' ', '')}`, 'hex');
      assert.equal(bitsOf(new DataView(event.buffer, event.byteOffset, event.length), 0), bits);
    });
  }
});
