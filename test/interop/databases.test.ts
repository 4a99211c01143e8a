import assert from 'node:assert/strict';
import { chmodSync, chownSync } from 'node:fs';
import { test } from 'node:test';
import { pen } from '../support/pen.js';
import { daemon, freePort, missing, output } from '../support/program.js';
import { scratch } from '../support/scratch.js';

for (const engine of ['uring', 'node']) {
  test(`${engine}: redis-benchmark runs through the balancer`, {
    skip: missing('redis-server', 'redis-benchmark'),
  }, async (t) => {
    const port = await freePort();
    const folder = scratch(t);
    await daemon(t, 'redis-server', ['--port', `${port}`, '--bind', '127.0.0.1', '--save', '', '--dir', folder], {
      port,
    });
    const balancer = await pen(t, { engine, servers: [`127.0.0.1:${port}`] });
    const args = [
      '-p',
      `${balancer.port}`,
      '-n',
      '20000',
      '-c',
      '50',
      '-t',
      'set,get,lrange_100',
      '--csv',
      '-d',
      '512',
    ];

    const report = await output('redis-benchmark', args);
    await output('redis-cli', ['-p', `${balancer.port}`, 'set', 'key', 'through pen']);
    const read = await output('redis-cli', ['-p', `${port}`, 'get', 'key']);

    assert.match(report, /"SET"/);
    assert.match(report, /"GET"/);
    assert.doesNotMatch(report, /error/i);
    assert.equal(read.trim(), 'through pen');
  });

  test(`${engine}: pgbench runs through the balancer`, {
    skip: missing('postgres', 'initdb', 'pgbench'),
  }, async (t) => {
    const port = await freePort();
    const folder = scratch(t);
    // PostgreSQL refuses to run as root.
    const nobody = process.getuid?.() === 0 ? 65534 : undefined;
    chmodSync(folder, 0o700);
    if (nobody !== undefined) chownSync(folder, nobody, nobody);
    const as = nobody === undefined ? [] : ['setpriv', `--reuid=${nobody}`, `--regid=${nobody}`, '--clear-groups'];
    const pg = (program: string, ...args: string[]) => {
      const [first, ...rest] = [...as, program, ...args];
      return output(first as string, rest);
    };
    const { find } = await import('../support/program.js');
    await pg(find('initdb') as string, '-D', folder, '-A', 'trust', '-U', 'pen', '--no-sync');
    const server = [find('postgres') as string, '-D', folder, '-p', `${port}`, '-k', folder, '-h', '127.0.0.1', '-F'];
    const [first, ...rest] = [...as, ...server];
    const running = await daemon(t, first as string, rest, { port });
    const balancer = await pen(t, { engine, servers: [`127.0.0.1:${port}`] });
    const to = ['-h', '127.0.0.1', '-p', `${balancer.port}`, '-U', 'pen'];

    await output('pgbench', [...to, '-i', '-q', 'postgres']);
    const report = await output('pgbench', [...to, '-c', '8', '-t', '100', '-C', 'postgres']);
    const again = await output('pgbench', [...to, '-c', '8', '-t', '200', 'postgres']);

    for (const text of [report, again]) assert.match(text, /number of failed transactions: 0/);
    await running.stop('SIGINT');
  });
}
