import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { test } from 'node:test';
import { bed, bedMissing } from '../support/bed.js';

const skip = bedMissing('ping');

test('bed connects the hosts of a segment, by IPv4 and IPv6, and keeps segments apart', { skip }, async (t) => {
  const { host } = await bed(t, {
    hosts: {
      client: { lan: ['10.7.0.10/24', 'fd07::10/64'] },
      www1: { lan: ['10.7.0.21/24', 'fd07::21/64'] },
      other: { dmz: ['10.7.0.22/24'] },
    },
    xdp: true,
  });
  await host('client').run('ping', ['-c1', '-W2', '10.7.0.21']);
  await host('client').run('ping', ['-c1', '-W2', 'fd07::21']);
  const apart = await host('client').try('ping', ['-c1', '-W1', '10.7.0.22']);
  assert.notEqual(apart.status, 0);
});

test('bed leaves no namespace behind, also of a process that was killed', { skip }, async (t) => {
  const names = () => execFileSync('ip', ['netns', 'list'], { encoding: 'utf8' });
  const dead = 'pen-4194304-0-hub';
  execFileSync('ip', ['netns', 'add', dead]);
  const ends: (() => unknown)[] = [];
  const { host } = await bed({ after: (end) => ends.push(end) }, { hosts: { client: { lan: [] } } });
  t.after(() => ends.splice(0).reduceRight((done, end) => done.then(() => end() as undefined), Promise.resolve()));
  const { namespace } = host('client');
  host('client').start({ after: () => {} }, 'sleep', ['1000']);
  assert.match(names(), new RegExp(namespace));
  assert.doesNotMatch(names(), new RegExp(dead));
  for (const end of ends.splice(0)) await end();
  assert.doesNotMatch(names(), new RegExp(namespace));
});
