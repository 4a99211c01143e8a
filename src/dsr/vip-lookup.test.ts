import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ETHERNET_BYTES } from '../frame/ethernet.js';
import { IPV6 } from '../frame/ipv6.js';
import { MIN_BUFFER_BYTES } from './answer.js';
import { Decision } from './decision.js';
import { fixtures } from './decision.suite.js';
import { randomFrames, randomNumbers } from './fixtures/random.js';
import {
  client,
  client6,
  IN_INNER,
  ip,
  patched,
  STAGE_SIZE,
  setStage,
  setTunnels,
  TCP,
  tcpFrame,
  VIP,
  WEB,
  WEB6,
} from './fixtures/stage.js';
import { OUTCOME_NAMES, VIP_SILENT } from './layout.js';
import { MemoryTables } from './memory-tables.js';
import { addressBytes, prefixKeyOf, vipKeyOf, vipValueOf } from './record.js';

const FRAMES = 50_000;

/** What `setStage` undoes: VIPs and prefixes that go, or that others answer for, and for whom clients need a list. */
const INNER = prefixKeyOf(ip('100.64.32.0'), 4, 96 + 20);
const silent = (index: number) => vipValueOf({ index, flags: VIP_SILENT, acl: 1 << 3 });
const CHANGES: readonly ((control: MemoryTables) => void)[] = [
  (control) => control.deleteVip(vipKeyOf(WEB, 4, 0, 0)),
  (control) => control.deleteVip(vipKeyOf(WEB, 4, 80, TCP)),
  (control) => control.setVip(vipKeyOf(WEB, 4, 0, 0), silent(VIP.web)),
  (control) => control.setVip(vipKeyOf(WEB6, 6, 0, 0), silent(VIP.web6)),
  (control) => control.deletePrefix(INNER),
  (control) => control.setPrefix(INNER, silent(1)),
];

test('what is kept of the last VIP is what a look-up would find, through 50,000 frames and the writes among them', () => {
  const seed = Number(process.env.PEN_TEST_SEED ?? Date.now() % 2 ** 31);
  const next = randomNumbers(seed);
  const [tables, others] = [0, 1].map(() => new MemoryTables(STAGE_SIZE, undefined, { nowMs: () => 0 }));
  const write = (change: (control: MemoryTables) => void) => [tables, others].forEach(change);
  write(setStage);
  write(setTunnels);
  const steps = fixtures.flatMap((fixture) => fixture.steps);
  const writes = [setStage, ...CHANGES, ...steps.filter((step) => typeof step === 'function')];
  // The address of an IPv4 VIP, but in an IPv6 packet, where it is none.
  const mapped = patched(tcpFrame(client6(), WEB6), ETHERNET_BYTES + IPV6.destination, ...addressBytes(WEB));
  const inner = tcpFrame(client(), IN_INNER, { destinationPort: 443 });
  const pool = steps.flatMap((step) => (typeof step === 'function' ? [] : [step.given, step.given, mapped, inner]));
  const decision = new Decision(tables);
  let given = mapped;
  for (const random of randomFrames(fixtures, seed, FRAMES)) {
    if (next() % 8 === 0) write(writes[next() % writes.length]);
    // Often the same as before: then what is kept is asked for.
    if (next() % 2 === 0) given = next() % 4 === 0 ? random : pool[next() % pool.length];
    // One that is new has kept nothing.
    const [got, wanted] = [decision, new Decision(others)].map((by) => decided(by, given));
    assert.deepEqual(got, wanted, `seed ${seed}: ${Buffer.from(given).toString('hex')}`);
  }
});

function decided(decision: Decision, given: Uint8Array) {
  const buffer = new Uint8Array(given.length + MIN_BUFFER_BYTES);
  buffer.set(given);
  const outcome = OUTCOME_NAMES[decision.decide(buffer, given.length)];
  const { vip, real, slot, slots, length } = decision;
  return { outcome, vip, real, slot, slots, frame: Buffer.from(buffer.subarray(0, length)).toString('hex') };
}
