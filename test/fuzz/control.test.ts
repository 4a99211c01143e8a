/**
 * Control lines that nobody meant: seeded random ones and mutations of good ones. Whatever comes, a reply is a
 * reply, and one that says `error:` has changed nothing.
 */
import assert from 'node:assert/strict';
import { readdirSync } from 'node:fs';
import { test } from 'node:test';
import { scratch, startedService } from '../../src/control/control.suite.js';
import { commands } from '../../src/control/language.js';

const SEED = Number(process.env.PEN_FUZZ_SEED ?? 20_260_101);
const ROUNDS = Number(process.env.PEN_FUZZ_ROUNDS ?? 4_000);

/** Found by hand or by this test; the kill list of C Pen is here. */
const corpus = [
  'no acl',
  'source',
  'ssl_ocsp_response',
  'ssl_client_renegotiation_interval',
  'listen 1.2.3.4.5:x',
  'listen [::1',
  'clients_max 2000000000',
  'conn_max 2000000000',
  'idlers 100000',
  'include /dev/zero',
  'acl 10 permit 1.2.3.4',
  'acl 1 permit ::1/129',
  'server 12 max 2147483648',
  'server -1',
  'server 1 address 0.0.0.0 port 0',
  'acl 1 permit 1.2.3.4 255.0.255.1',
  'tcp_fastclose both',
  'recent 2147483647',
  'close -2147483648',
  'connection 9007199254740993',
  'web_stats a b  c',
  'emergency [::1]:1:2:3:4:5:6',
  'server 3 port http weight 7',
  'tarpit_acl -2',
  'help no server',
  'no no no',
];

const words = [
  '0',
  '-1',
  '9',
  '10',
  '1e3',
  '0x10',
  '2147483647',
  '99999999999999999999',
  'permit',
  'deny',
  'country',
  '::',
  '::ffff:1.2.3.4',
  '1.2.3.4',
  '/x',
  '#',
  'address',
  'port',
  'no',
  'constructor',
  '\u0000',
  '\u2028',
  '\ud800',
  "'",
  '<b>',
  '%s%n',
];

/** Mulberry32: small, seeded, good enough to choose with. */
function random(seed: number): (below: number) => number {
  let state = seed >>> 0;
  return (below) => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = Math.imul(state ^ (state >>> 15), state | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) % below;
  };
}

function oddLine(pick: (below: number) => number): string {
  const of = <T>(list: readonly T[]): T => list[pick(list.length)] as T;
  const begin = pick(3) === 0 ? of(corpus) : of(commands).name;
  let line = [begin, ...Array.from({ length: pick(5) }, () => of(words))].join(' ');
  for (let cuts = pick(3); cuts > 0; cuts -= 1) {
    const at = pick(line.length + 1);
    line =
      line.slice(0, at) + (pick(2) ? String.fromCharCode(pick(pick(2) ? 128 : 65_536)) : '') + line.slice(at + pick(3));
  }
  // These would leave the test's folder or ask the network.
  return /^\s*(write|log|listen|include)/.test(line) || /[a-z]\.[a-z]/i.test(line) ? of(corpus) : line;
}

test('control lines of any kind get a reply, and an error changes nothing', async (t) => {
  const folder = scratch(t);
  const { service, plane, logged } = await startedService(t);
  const pick = random(SEED);
  for (let round = 0; round < ROUNDS; round += 1) {
    // As it would come over a socket: what is no UTF-16 becomes U+FFFD.
    const line = Buffer.from(oddLine(pick)).toString();
    const context = `seed ${SEED}, round ${round}: ${JSON.stringify(line)}`;
    const before = service.setup;
    const published = plane.published;
    const reply = await service.execute(line, round % 3 === 0 ? 'tcp' : 'unix');
    assert.equal(typeof reply, 'string', context);
    if (/^(error:|do_cmd:|unable)/.test(reply)) {
      assert.equal(service.setup, before, context);
      assert.equal(plane.published, published, context);
    }
    if (reply.startsWith('error:')) assert.match(reply, /^[^\n]*\n$/, context);
    assert.doesNotMatch(reply, /^error: internal/, context);
    if (round % 500 === 0) await roundTrips(`${folder}/${round}`, context);
  }
  assert.equal(logged.filter((line) => line.includes('failed')).length, 0);
  assert(
    readdirSync(folder).every((name) => /^\d+$/.test(name)),
    'no temporary file is left',
  );

  async function roundTrips(file: string, context: string): Promise<void> {
    const written = await service.execute(`write ${file}`, 'unix');
    if (written !== '') return assert.match(written, /^error: write: the name /, context);
    const before = service.setup;
    assert.equal(await service.execute(`include ${file}`, 'unix'), '', context);
    assert.deepEqual(service.setup, before, context);
  }
});
