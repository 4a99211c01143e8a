import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { test } from 'node:test';
import { ERRNO } from '../sys/errno.js';
import { BpfError } from './errors.js';
import { FEATURES, judge, NotSupportedError, probe, probeHelper, probeMapType } from './features.js';
import { needsBpf } from './kernel.suite.js';
import { VerifierError } from './verifier-error.js';

test('`judge` tells a kernel that lacks something from one that does not let us ask', () => {
  const outcome = (error: Error) =>
    judge(() => {
      throw error;
    });
  assert.deepEqual(
    judge(() => {}),
    { answer: 'yes', reason: '' },
  );
  assert.deepEqual(outcome(new BpfError('do it', ERRNO.EINVAL)), { answer: 'no', reason: 'cannot do it: EINVAL' });
  assert.deepEqual(outcome(new BpfError('do it', 524)), { answer: 'no', reason: 'cannot do it: errno 524' });
  assert.deepEqual(outcome(new BpfError('do it', ERRNO.EPERM, 'needs CAP_BPF, or root')), {
    answer: 'unknown',
    reason: 'cannot do it: EPERM (needs CAP_BPF, or root)',
  });
  assert.equal(outcome(new BpfError('do it', ERRNO.ENOMEM)).answer, 'unknown');
  assert.deepEqual(outcome(new VerifierError('p', ERRNO.EINVAL, 'unknown opcode 06\n', [])), {
    answer: 'no',
    reason: 'unknown opcode 06',
  });
  // Whatever else is thrown is a mistake of ours, not an answer.
  assert.throws(() => outcome(new TypeError('ours')), { message: 'ours' });
});

test('every probe gets an answer here', needsBpf, () => {
  for (const feature of FEATURES) {
    const { answer, reason } = probe(feature);
    assert.ok(answer === 'yes' || (answer === 'no' && reason !== ''), `${feature}: ${answer} ${reason}`);
    // The second time it is the same object: it was kept.
    assert.equal(probe(feature), probe(feature));
  }
  for (const type of ['hash', 'array', 'lruHash', 'lpmTrie', 'perCpuHash', 'perCpuArray'] as const)
    assert.deepEqual(probeMapType(type), { answer: 'yes', reason: '' }, type);
  assert.deepEqual(probeHelper('map_lookup_elem'), { answer: 'yes', reason: '' });
});

test('`NotSupportedError` names the feature, the kernel that has it and what this one said', () => {
  const error = new NotSupportedError('liveFrames', '5.18', 'cannot run it: EINVAL');
  assert.equal(error.code, 'ERR_PEN_BPF_NOT_SUPPORTED');
  assert.equal(
    error.message,
    'cannot use liveFrames: the kernel lacks it (it is there since 5.18; here: cannot run it: EINVAL)',
  );
});

test('without capabilities the answer is unknown, and the error says which are missing', needsBpf, () => {
  const script = `
    const { reduceCapabilities } = await import(${JSON.stringify(new URL('../sys/capabilities.js', import.meta.url).href)});
    reduceCapabilities([]);
    const { probe, BpfMap, Program, u32 } = await import(${JSON.stringify(new URL('./index.js', import.meta.url).href)});
    const say = (attempt) => { try { attempt(); console.log('done'); } catch (error) { console.log(error.message); } };
    console.log(probe('xdp').answer);
    say(() => BpfMap.create({ name: 'm', type: 'lruHash', key: u32, value: u32, maxEntries: 1 }));
    say(() => Program.load({ name: 'p', code: [] }));
  `;
  const { stdout, stderr } = spawnSync(process.execPath, ['--input-type=module', '-e', script], {
    encoding: 'utf8',
    timeout: 20_000,
  });
  assert.equal(
    stdout,
    `unknown
cannot create lruHash 'm' of 1 x (4 + 4) bytes: EPERM (needs CAP_BPF, or root)
cannot load program 'p': EPERM (needs CAP_BPF and CAP_NET_ADMIN, or root)
`,
    stderr,
  );
});
