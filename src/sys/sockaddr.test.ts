import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type Endpoint, ipEndpoint, parseIp } from '../core/address.js';
import { readIpSockaddr, readSockaddr, writeSockaddr } from './sockaddr.js';
import { SOCKET_ABIS } from './uapi/socket.js';

type System = keyof typeof SOCKET_ABIS;

const v4 = ip('192.0.2.1', 8080);
const v6 = ip('2001:db8::1', 443);
const unix: Endpoint = { kind: 'unix', path: '/run/p' };

// Written out from <netinet/in.h>, <netinet6/in6.h> and <sys/un.h> of each system.
const V4_REST = '1f90 c0000201 0000000000000000';
const V6_REST = '01bb 00000000 20010db8000000000000000000000001 00000000';
const PATH = '2f72756e2f7000';
const table: ReadonlyArray<readonly [System, Endpoint, string]> = [
  ['linux', v4, `0200 ${V4_REST}`],
  ['freebsd', v4, `1002 ${V4_REST}`],
  ['openbsd', v4, `1002 ${V4_REST}`],
  ['darwin', v4, `1002 ${V4_REST}`],
  ['linux', v6, `0a00 ${V6_REST}`],
  ['freebsd', v6, `1c1c ${V6_REST}`],
  ['openbsd', v6, `1c18 ${V6_REST}`],
  ['darwin', v6, `1c1e ${V6_REST}`],
  ['linux', unix, `0100 ${PATH}`],
  ['freebsd', unix, `0901 ${PATH}`],
  ['openbsd', unix, `0901 ${PATH}`],
  ['darwin', unix, `0901 ${PATH}`],
];

for (const [system, endpoint, hex] of table) {
  const kind = endpoint.kind === 'unix' ? 'un' : endpoint.family === 4 ? 'in' : 'in6';
  test(`sockaddr_${kind} has the bytes that ${system} expects`, () => {
    const want = Buffer.from(hex.replaceAll(' ', ''), 'hex');
    const memory = new Uint8Array(136).fill(0xa5);
    const view = new DataView(memory.buffer);
    const length = writeSockaddr(view, 4, endpoint, SOCKET_ABIS[system]);
    assert.deepEqual(Buffer.from(memory.subarray(4, 4 + length)), want);
    assert.deepEqual(memory.subarray(4 + length), new Uint8Array(132 - length).fill(0xa5));
    assert.deepEqual(readSockaddr(view, 4, length, SOCKET_ABIS[system]), endpoint);
  });
}

test('writeSockaddr refuses a path that has no room in sun_path', () => {
  const view = new DataView(new ArrayBuffer(128));
  for (const system of Object.keys(SOCKET_ABIS) as System[]) {
    const { UNIX_PATH_MAX } = SOCKET_ABIS[system];
    const path = (length: number): Endpoint => ({ kind: 'unix', path: '/'.padEnd(length, 'x') });
    assert.equal(writeSockaddr(view, 0, path(UNIX_PATH_MAX - 1), SOCKET_ABIS[system]), UNIX_PATH_MAX + 2);
    assert.throws(() => writeSockaddr(view, 0, path(UNIX_PATH_MAX), SOCKET_ABIS[system]), RangeError);
  }
});

test('readIpSockaddr tells that a Unix address has no port', () => {
  const words = new Int32Array(4).fill(7);
  assert.equal(readIpSockaddr(new DataView(new ArrayBuffer(16)), 0, words), -1);
  assert.deepEqual([...words], [0, 0, 0, 0]);
});

function ip(text: string, port: number): Endpoint {
  const words = parseIp(text);
  assert.ok(words);
  return ipEndpoint(words, port);
}
