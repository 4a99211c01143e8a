import assert from 'node:assert/strict';
import { test } from 'node:test';
import { listing } from '../../bpf/asm/index.js';
import { Program } from '../../bpf/index.js';
import { needsBpf } from '../../bpf/kernel.suite.js';
import { BpfTables, createMaps } from '../bpf-tables.js';
import { decisionSuite, fixtures } from '../decision.suite.js';
import { randomFrames } from '../fixtures/random.js';
import { client, frame, ipPacket, STAGE_SIZE, setAnswers, setStage, setTunnels, TCP, WEB } from '../fixtures/stage.js';
import { OUTCOME, type ProgramOptions } from '../layout.js';
import { dsrProgram } from './index.js';
import { knownAddresses } from './known-vips.js';
import { compareWithDecision, everything, type ProgramSubject, programSubject } from './program.suite.js';

const FRAMES = 10_000;

for (const [name, knowsVips] of [
  ['the XDP program', false],
  ['the XDP program that knows its VIPs', true],
] as const) {
  if (needsBpf.skip === false) {
    let subject: ProgramSubject | undefined;
    decisionSuite(
      name,
      () => {
        subject = programSubject(knowsVips);
        return subject;
      },
      () => subject?.close(),
    );
  } else test(`${name} does with each fixture what is expected`, needsBpf, () => {});

  test(`${name} agrees with the decision on ${FRAMES} random frames`, needsBpf, () => {
    const seed = Number(process.env.PEN_TEST_SEED ?? Date.now() % 2 ** 31);
    compareWithDecision(randomFrames(fixtures, seed, FRAMES), { count: FRAMES, knowsVips, about: `seed ${seed}` });
  });
}

/** All that the options can form. */
function configurations(): ProgramOptions[] {
  const names = Object.keys(everything) as (keyof ProgramOptions)[];
  const all = Array.from({ length: 2 ** names.length }, (_, bits) =>
    Object.fromEntries(names.map((name, i) => [name, (bits & (1 << i)) !== 0])),
  );
  return (all as unknown as ProgramOptions[]).filter(({ ipv4, ipv6, tarpit, acl, vlan }) => {
    // The tarpit hangs on where everything else ends: without it there is only less.
    return (ipv4 || ipv6) && (tarpit || (acl && vlan));
  });
}

test('the verifier takes the program in every configuration', { ...needsBpf, timeout: 120_000 }, () => {
  const size = { ...STAGE_SIZE, flows: 1024, fragments: 1024 };
  const tables = new BpfTables(createMaps(size), size);
  try {
    setStage(tables);
    const all = tables.everyVip();
    const none = { vips: [], prefixes: [] };
    const ofOneAddress = { ...none, vips: all.vips.filter(([key]) => key[15] === 80) };
    for (const options of configurations()) {
      // How many addresses there are does not depend on tags and lists.
      const known = options.prefixes ? [all] : [{ ...none, vips: all.vips.filter(([key]) => (key[19] & 0x80) === 0) }];
      const sets = options.vlan || options.acl ? [undefined, ...known] : [undefined, ...known, ofOneAddress, none];
      for (const vips of sets) {
        try {
          Program.load(dsrProgram(options, vips), { maps: tables.maps }).close();
        } catch (error) {
          const { message } = error as Error;
          assert.fail(`${JSON.stringify(options)}, ${vips?.vips.length ?? 'no'} entries known: ${message}`);
        }
      }
    }
    assert.ok(knownAddresses(all), 'the stage is small enough to be known by heart');
  } finally {
    tables.close();
  }
});

test('what is off leaves no code', () => {
  const stages = (options: Partial<ProgramOptions>) =>
    [...listing(dsrProgram({ ...everything, ...options }).code).matchAll(/^([a-z]\w*):$/gim)].map(([, name]) => name);
  assert.ok(stages({}).includes('denied') && stages({}).includes('ipv6') && stages({}).includes('arp'));
  assert.ok(!stages({ acl: false }).includes('denied'));
  assert.ok(!listing(dsrProgram({ ...everything, acl: false, tarpit: false }).code).includes('map[acl]'));
  assert.deepEqual(
    stages({ ipv6: false }).filter((name) => /6|solicitation|advertisement|Ndp|Extensions/.test(name)),
    [],
  );
  assert.deepEqual(
    stages({ ipv4: false }).filter((name) => /4|^arp|Arp/.test(name)),
    [],
  );
  assert.ok(!listing(dsrProgram({ ...everything, prefixes: false }).code).includes('map[prefixes]'));
  assert.ok(!listing(dsrProgram({ ...everything, vlan: false }).code).includes('link.tag'));
  assert.ok(stages({}).includes('tunnel') && stages({}).includes('tooBig4') && stages({}).includes('tooBig6'));
  assert.deepEqual(
    stages({ tunnels: false }).filter((name) => /tunnel|toobig/i.test(name)),
    [],
  );
  assert.throws(() => dsrProgram({ ...everything, ipv4: false, ipv6: false }), {
    message: 'a DSR program is for IPv4, IPv6 or both',
  });
});

test('the program tells no more senders in a window than it may', needsBpf, () => {
  const subject = programSubject(false);
  try {
    setStage(subject.control);
    setTunnels(subject.control);
    setAnswers(subject.control, 2);
    const from = client();
    const frames = fixtures.flatMap(({ steps }) =>
      steps.flatMap((step) => (typeof step !== 'function' && step.outcome === 'txTooBig' ? [step.given] : [])),
    );
    const given = frame(ipPacket(from, WEB, { protocol: TCP, bytes: new Uint8Array(1400) }));
    for (let i = 0; i < 50; i++) subject.run(i % 2 === 0 ? given : frames[i % frames.length]);
    const counts = subject.control.outcomes();
    const told = counts[OUTCOME.txTooBig];
    // They may come at the end of one window and the beginning of the next, and on either CPU.
    assert.ok(told >= 2 && told <= 8, `${told} were told`);
    assert.ok(counts[OUTCOME.dropTooBig] >= 15, `${counts}`);
  } finally {
    subject.close();
  }
});
