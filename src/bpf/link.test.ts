/** Links and pins, on a veth pair of the test's own and a bpffs of its own. No traffic: neither end has an address. */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, rmSync, unlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { XDP_DROP, XDP_PASS, XDP_TX } from '../sys/uapi/bpf.js';
import * as asm from './asm/index.js';
import { needsBpf, openDescriptors } from './kernel.suite.js';
import { XdpLink } from './link.js';
import { BpfMap } from './map.js';
import { Program } from './program.js';
import { u32, u64 } from './struct.js';

const near = `pb${process.pid}a`;
const far = `pb${process.pid}b`;
const directory = mkdtempSync(join(tmpdir(), 'pen-bpffs-'));
const path = (name: string) => join(directory, name);
let descriptors = 0;

before(() => {
  if (needsBpf.skip !== false) return;
  execFileSync('ip', ['link', 'add', near, 'type', 'veth', 'peer', 'name', far]);
  execFileSync('mount', ['-t', 'bpf', 'bpf', directory]);
  descriptors = openDescriptors();
});

after(() => {
  if (needsBpf.skip === false) {
    execFileSync('umount', [directory]);
    execFileSync('ip', ['link', 'delete', near]);
    assert.equal(openDescriptors(), descriptors, 'descriptors are left open');
  }
  rmSync(directory, { recursive: true });
});

function verdict(name: string, value: number): Program {
  return Program.load({ name, code: [asm.mov.imm(asm.r0, value), asm.exit()] });
}

/** What `ip link` says of XDP at the interface: '' or 'xdp' or 'xdpgeneric'. */
function attached(): string {
  const [{ xdp }] = JSON.parse(execFileSync('ip', ['-json', '-details', 'link', 'show', near], { encoding: 'utf8' }));
  return xdp === undefined ? '' : xdp.mode === 1 ? 'native' : xdp.mode === 2 ? 'generic' : `mode ${xdp.mode}`;
}

for (const mode of ['native', 'generic'] as const) {
  test(`a program is attached in ${mode} mode until its link is closed`, needsBpf, () => {
    const program = verdict('pass', XDP_PASS);
    const link = XdpLink.attach(program, near, mode);
    try {
      assert.equal(attached(), mode);
      assert.equal(link.info.programId, program.info.id);
      assert.throws(() => XdpLink.attach(program, near, mode), {
        code: 'EBUSY',
        message: `cannot attach program 'pass' to '${near}' in ${mode} mode: EBUSY (another XDP program is attached there)`,
      });
    } finally {
      link.close();
      link.close();
      program.close();
    }
    assert.equal(attached(), '');
  });
}

test('`update` puts another program in place, if asked only of a certain one', needsBpf, () => {
  const programs = [verdict('one', XDP_PASS), verdict('two', XDP_TX), verdict('three', XDP_DROP)];
  const [one, two, three] = programs;
  const link = XdpLink.attach(one, near, 'native');
  try {
    assert.equal(link.update(two), true);
    assert.equal(link.info.programId, two.info.id);
    assert.equal(link.update(three, one), false);
    assert.equal(link.info.programId, two.info.id);
    assert.equal(link.update(three, two), true);
    assert.equal(link.info.programId, three.info.id);
    link.detach();
    assert.equal(attached(), '');
    assert.equal(link.info.interfaceIndex, 0);
    assert.throws(() => link.update(one), {
      code: 'ENOLINK',
      message: `cannot put program 'one' in place at '${near}': ENOLINK (the link has been detached, or the interface has gone)`,
    });
  } finally {
    link.close();
    for (const program of programs) program.close();
  }
});

test('`attach` names what is missing', needsBpf, () => {
  const program = verdict('pass', XDP_PASS);
  try {
    assert.throws(() => XdpLink.attach(program, 'no-such-if0', 'native'), {
      code: 'ENODEV',
      message: "cannot find interface 'no-such-if0': ENODEV",
    });
    assert.throws(() => XdpLink.attach(program, near, 'offload'), {
      message: new RegExp(`^cannot attach program 'pass' to '${near}' in offload mode: E[A-Z]+ \\(the driver`),
    });
  } finally {
    program.close();
  }
  program.close();
  assert.throws(() => XdpLink.attach(program, near, 'native'), { message: "'pass' has been closed" });
});

test('what is pinned outlives its handle and can be adopted', needsBpf, () => {
  const spec = { name: 'flows', type: 'lruHash', key: u32, value: u64, maxEntries: 100 } as const;
  const map = BpfMap.create(spec);
  const program = verdict('pass', XDP_PASS);
  const link = XdpLink.attach(program, near, 'native');
  map.set(1, 11n);
  map.pin(path('flows'));
  program.pin(path('program'));
  link.pin(path('link'));
  for (const handle of [link, program, map]) handle.close();
  assert.equal(attached(), 'native');

  const opened = [BpfMap.open(path('flows'), spec), Program.open(path('program')), XdpLink.open(path('link'))] as const;
  try {
    assert.equal(opened[0].get(1), 11n);
    assert.equal(opened[2].info.programId, opened[1].info.id);
    assert.throws(() => opened[0].pin(path('flows')), {
      message: `cannot pin 'flows' at '${path('flows')}': EEXIST (something is pinned there, remove it first)`,
    });
  } finally {
    for (const handle of opened) handle.close();
    for (const name of ['flows', 'program']) unlinkSync(path(name));
  }
  assert.equal(attached(), 'native');
  unlinkSync(path('link'));
  assert.equal(attached(), '');
});

test('what is not what belongs there is not adopted', needsBpf, () => {
  const spec = { name: 'flows', type: 'hash', key: u32, value: u64, maxEntries: 100 } as const;
  const map = BpfMap.create(spec);
  map.pin(path('flows'));
  map.close();
  mkdirSync(path('folder'));
  try {
    const versions = [
      [{ ...spec, type: 'lruHash' }, 'it is of type hash, not lruHash'],
      [{ ...spec, key: u64 }, 'it has keys of 4 bytes, not 8'],
      [{ ...spec, value: u32 }, 'it has values of 8 bytes, not 4'],
      [{ ...spec, maxEntries: 200 }, 'it has room for 100 entries, not 200'],
    ] as const;
    for (const [other, difference] of versions)
      assert.throws(() => BpfMap.open<unknown, unknown>(path('flows'), other), {
        code: 'ERR_PEN_BPF_INCOMPATIBLE',
        message: `cannot adopt map 'flows' at '${path('flows')}': ${difference} (made by another version)`,
      });
    assert.throws(() => XdpLink.open(path('flows')), {
      message: `cannot adopt '${path('flows')}': it is a bpf-map, not a bpf-link`,
    });
    assert.throws(() => Program.open(path('nothing')), {
      code: 'ENOENT',
      message: `cannot open what is pinned at '${path('nothing')}': ENOENT (nothing is pinned there)`,
    });
    assert.throws(() => Program.open(path('folder')), { code: 'EACCES' });
    assert.throws(() => Program.open('/dev/null'), { code: 'EACCES' });
  } finally {
    unlinkSync(path('flows'));
    rmSync(path('folder'), { recursive: true });
  }
  assert.equal(existsSync(path('flows')), false);
});

test('`pin` outside of a bpffs is refused', needsBpf, () => {
  const program = verdict('pass', XDP_PASS);
  const outside = join(tmpdir(), `pen-pin-${process.pid}`);
  try {
    assert.throws(() => program.pin(outside), { message: new RegExp(`^cannot pin 'pass' at '${outside}': E`) });
    assert.throws(() => program.pin(path('missing/program')), {
      code: 'ENOENT',
      message: `cannot pin 'pass' at '${path('missing/program')}': ENOENT (no such directory)`,
    });
  } finally {
    program.close();
  }
});
