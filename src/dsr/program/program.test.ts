import assert from 'node:assert/strict';
import { test } from 'node:test';
import { listing } from '../../bpf/asm/index.js';
import { Program } from '../../bpf/index.js';
import { needsBpf } from '../../bpf/kernel.suite.js';
import { BpfTables, createMaps } from '../bpf-tables.js';
import { decisionSuite, fixtures } from '../decision.suite.js';
import { randomFrames } from '../fixtures/random.js';
import { STAGE_SIZE, setStage } from '../fixtures/stage.js';
import type { ProgramOptions } from '../layout.js';
import { dsrProgram } from './index.js';
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

/** All that the options can form at one size of table. */
function configurations(slots: number): ProgramOptions[] {
  const both = [true, false];
  return both
    .flatMap((ipv4) =>
      both.flatMap((ipv6) => both.flatMap((vlan) => both.map((acl) => ({ ipv4, ipv6, vlan, acl, slots })))),
    )
    .filter(({ ipv4, ipv6 }) => ipv4 || ipv6);
}

test('the verifier takes the program in every configuration', { ...needsBpf, timeout: 120_000 }, () => {
  for (const slots of [65_537, 655_373]) {
    const size = { ...STAGE_SIZE, slots, flows: 1024, fragments: 1024 };
    const tables = new BpfTables(createMaps(size), size);
    try {
      setStage(new Proxy(tables, { get: (target, name) => (name === 'setSlots' ? () => {} : bound(target, name)) }));
      const all = tables.maps.vips.entries();
      const ofOneAddress = all.filter(([key]) => key[15] === 80);
      for (const options of configurations(slots)) {
        // The size is one constant, and how many addresses there are does not depend on tags and lists.
        const sets = options.vlan || options.acl ? [undefined, all] : [undefined, all, ofOneAddress, []];
        for (const vips of slots === 65_537 ? sets : [undefined]) {
          try {
            Program.load(dsrProgram(options, vips), { maps: tables.maps }).close();
          } catch (error) {
            const { message } = error as Error;
            assert.fail(`${JSON.stringify(options)}, ${vips?.length ?? 'no'} entries known: ${message}`);
          }
        }
      }
    } finally {
      tables.close();
    }
  }
});

test('what is off leaves no code', () => {
  const stages = (options: Partial<ProgramOptions>) =>
    [...listing(dsrProgram({ ...everything, ...options }).code).matchAll(/^([a-z]\w*):$/gim)].map(([, name]) => name);
  assert.ok(stages({}).includes('denied') && stages({}).includes('ipv6') && stages({}).includes('arp'));
  assert.ok(!stages({ acl: false }).includes('denied'));
  assert.ok(!listing(dsrProgram({ ...everything, acl: false }).code).includes('map[acl]'));
  assert.deepEqual(
    stages({ ipv6: false }).filter((name) => /6|solicitation|advertisement|Ndp|Extensions/.test(name)),
    [],
  );
  assert.deepEqual(
    stages({ ipv4: false }).filter((name) => /4|arp|Arp/.test(name)),
    [],
  );
  assert.ok(!listing(dsrProgram({ ...everything, vlan: false }).code).includes('link.tag'));
  assert.throws(() => dsrProgram({ ...everything, ipv4: false, ipv6: false }), {
    message: 'a DSR program is for IPv4, IPv6 or both',
  });
});

function bound(target: object, name: string | symbol): unknown {
  const member = Reflect.get(target, name);
  return typeof member === 'function' ? member.bind(target) : member;
}
