/** Load without a failed request, servers even under -r, tracked clients true to their server. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { nginx } from '../support/nginx.js';
import { pen } from '../support/pen.js';
import { missing, output } from '../support/program.js';

const skip = missing('nginx', 'ab', 'wrk', 'curl');

for (const engine of ['uring', 'node']) {
  test(`${engine}: ab -n 20000 -c 64 through -r: nothing fails, servers are even to 1 %`, { skip }, async (t) => {
    const sites = [await nginx(t, 'one'), await nginx(t, 'two'), await nginx(t, 'six')];
    const balancer = await pen(t, { engine, options: ['-r'], servers: sites });

    const report = await output('ab', ['-q', '-n', '20000', '-c', '64', `http://127.0.0.1:${balancer.port}/`]);

    const received = [...(await balancer.ask('servers')).matchAll(/rx (\d+)/g)].map((match) => Number(match[1]));
    const mean = received.reduce((sum, bytes) => sum + bytes, 0) / received.length;
    const spread = Math.max(...received.map((bytes) => Math.abs(bytes - mean) / mean));
    t.diagnostic(`${engine}: ${/Requests per second:.*/.exec(report)?.[0]}, spread ${(spread * 100).toFixed(3)} %`);
    assert.match(report, /Complete requests:\s+20000\n/);
    assert.match(report, /Failed requests:\s+0\n/);
    assert.doesNotMatch(report, /Non-2xx/);
    assert.ok(spread <= 0.01, `servers are uneven by ${(spread * 100).toFixed(2)} %: ${received}`);
  });

  test(`${engine}: a minute of keep-alive load on 64 connections: nothing fails`, { skip }, async (t) => {
    const sites = [await nginx(t, 'one'), await nginx(t, 'two')];
    const balancer = await pen(t, { engine, options: ['-r'], servers: sites });

    const report = await output('wrk', ['-t1', '-c64', '-d60s', `http://127.0.0.1:${balancer.port}/`]);

    t.diagnostic(`${engine}: ${/Requests\/sec:.*/.exec(report)?.[0]}, ${/\d+ requests in .*/.exec(report)?.[0]}`);
    assert.doesNotMatch(report, /Socket errors|Non-2xx/);
    assert.match(report, /\d{4,} requests in/);
  });

  test(`${engine}: each of 100 tracked clients always meets the same server`, { skip }, async (t) => {
    const sites = [await nginx(t, 'one'), await nginx(t, 'two'), await nginx(t, 'six')];
    const balancer = await pen(t, { engine, servers: sites });
    const servers = new Set<string>();
    for (let client = 1; client <= 100; client++) {
      const url = `http://127.0.0.1:${balancer.port}/`;
      const from = ['--interface', `127.0.1.${client}`];
      // A connection each: curl would keep one for all.
      const args = ['-sSf', '--no-keepalive', '-H', 'Connection: close', ...from, ...Array(10).fill(url)];
      const answers = (await output('curl', args)).trim().split('\n');
      assert.equal(answers.length, 10);
      assert.equal(new Set(answers).size, 1, `client ${client} met ${answers}`);
      servers.add(answers[0]);
    }
    assert.equal(servers.size, 3);
  });
}
