import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { bedMissing, type Host } from '../support/bed.js';
import { dsrBed, nameServer, TESTED_MODES, VIP, VIP6 } from '../support/dsr-bed.js';
import type { Scene } from '../support/ending.js';
import { scratch } from '../support/scratch.js';

const skip = bedMissing('named', 'dig');

/** Questions come from ports of their own from here on. Left to the kernel, of 41 two have the same in one run of thirty. */
const FIRST_PORT = 40_000;

/** Who answers `n` questions; lines of a file, as only there each has a port. */
async function whoAnswers(t: Scene, client: Host, at: string, n: number): Promise<string[]> {
  const file = join(scratch(t), 'questions');
  const anyAddress = at.includes(':') ? '::' : '0.0.0.0';
  const question = (i: number) => `@${at} -b ${anyAddress}#${FIRST_PORT + i} +tries=1 +time=2 +short TXT who.test\n`;
  writeFileSync(file, Array.from({ length: n }, (_, i) => question(i)).join(''));
  return (await client.run('dig', ['-f', file])).trim().split('\n');
}

for (const mode of TESTED_MODES) {
  test(`${mode}: pen -U -O dsr_if spreads DNS over bind9, by IPv4 and IPv6`, { skip }, async (t) => {
    const { client, servers, addressOf, address6Of, pen } = await dsrBed(t, 2, { mode });
    for (const server of servers) await nameServer(t, server);

    const v4 = await pen({
      options: ['-U', '-r', '-O', 'dsr_if lan'],
      listen: `${VIP}:53`,
      servers: [0, 1].map(addressOf),
    });
    const answers = await whoAnswers(t, client, VIP, 40);
    assert.equal(answers.length, 40);
    assert.deepEqual([...new Set(answers)].sort(), ['"www1"', '"www2"']);
    // More than a packet holds: the answer comes in fragments, past the balancer.
    const port = `0.0.0.0#${FIRST_PORT + 40}`;
    const question = [`@${VIP}`, '-b', port, '+bufsize=4096', '+ignore', '+short', 'TXT', 'long.test'];
    const long = await client.run('dig', question);
    assert.equal(long.trim().split('\n').length, 12);
    assert.match(
      await v4.ask('dsr'),
      /^vip 10\.7\.0\.80:53 udp servers 2 in-service 2 slots 65537 packets 41 bytes \d+ flows 41\n/m,
    );
    assert.match(await v4.ask(`explain 10.7.0.10:9 ${VIP}:53 udp`), /: server [01] /);
    assert.match(await v4.ask(`explain 10.7.0.10:9 ${VIP}:53 tcp`), /: drop \(the VIP does not serve/);
    await v4.stop();

    const v6 = await pen({
      options: ['-U', '-r', '-O', 'dsr_if lan'],
      listen: VIP6,
      servers: [0, 1].map(address6Of).map((one) => `[${one}]`),
    });
    assert.deepEqual([...new Set(await whoAnswers(t, client, VIP6, 40))].sort(), ['"www1"', '"www2"']);
    assert.match(await v6.ask('dsr'), /^vip \[fd07::80\]:\* udp servers 2 in-service 2 slots 65537 packets 40 /m);
  });
}
