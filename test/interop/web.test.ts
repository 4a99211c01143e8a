import assert from 'node:assert/strict';
import { createHash, randomBytes } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { nginx } from '../support/nginx.js';
import { pen } from '../support/pen.js';
import { missing, output } from '../support/program.js';

const skip = missing('nginx', 'curl', 'ab');

/** Failed requests, requests a second and what else `ab` prints as `NAME: NUMBER`. */
export async function ab(...args: string[]): Promise<(name: string) => number> {
  const text = await output('ab', ['-q', ...args]);
  return (name) => Number(new RegExp(`^${name}:\\s+([\\d.]+)`, 'm').exec(text)?.[1] ?? Number.NaN);
}

for (const engine of ['uring', 'node']) {
  test(`${engine}: curl meets two nginx sites in turn with -r, and one of them always without`, { skip }, async (t) => {
    const sites = [await nginx(t, 'one'), await nginx(t, 'two')];
    const even = await pen(t, { engine, options: ['-r'], servers: sites });
    const sticky = await pen(t, { engine, servers: sites });
    const ask = async (port: number) => (await output('curl', ['-sSf', `http://127.0.0.1:${port}/`])).trim();

    const inTurn = [await ask(even.port), await ask(even.port), await ask(even.port), await ask(even.port)];
    const tracked = [await ask(sticky.port), await ask(sticky.port), await ask(sticky.port)];

    assert.deepEqual(inTurn, ['two', 'one', 'two', 'one']);
    assert.equal(new Set(tracked).size, 1);
  });

  test(`${engine}: ab -n 1000 -c 20 has no failed request, with and without keep-alive`, { skip }, async (t) => {
    const sites = [await nginx(t, 'one'), await nginx(t, 'two')];
    const { port } = await pen(t, { engine, options: ['-r'], servers: sites });
    for (const options of [[], ['-k']]) {
      const result = await ab(...options, '-n', '1000', '-c', '20', `http://127.0.0.1:${port}/`);
      assert.equal(result('Complete requests'), 1000);
      assert.equal(result('Failed requests'), 0);
    }
  });

  test(`${engine}: a file of 8 MB arrives byte for byte, whole and in ranges`, { skip }, async (t) => {
    const site = await nginx(t, 'one');
    const { port } = await pen(t, { engine, servers: [site] });
    const content = randomBytes(8 << 20);
    writeFileSync(join(site.folder, 'large'), content);
    const url = `http://127.0.0.1:${port}/files/large`;
    const sum = async (...args: string[]) => {
      const target = join(site.folder, 'got');
      await output('curl', ['-sSf', '-o', target, ...args, url]);
      return (await output('sha256sum', [target])).slice(0, 64);
    };
    const wanted = (part: Uint8Array) => createHash('sha256').update(part).digest('hex');
    assert.equal(await sum(), wanted(content));
    assert.equal(await sum('-r', '1000-4999999'), wanted(content.subarray(1000, 5_000_000)));
  });
}
