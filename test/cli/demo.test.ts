/** What a newcomer sees first: `npm start`. */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { existsSync, readdirSync } from 'node:fs';
import { createServer } from 'node:net';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { tcpBackend } from '../support/backend.js';
import { get, getMany } from '../support/client.js';
import { atEnd, type Scene } from '../support/ending.js';
import { processesWith } from '../support/process.js';
import { scratch } from '../support/scratch.js';
import { until, within } from '../support/wait.js';

/** The demo starts bin/pen, which belongs to the build in dist. */
const needsBin = {
  skip: !existsSync(new URL('../../../bin/pen', import.meta.url)) && 'this build has no bin beside it',
};

function startDemo(t: Scene, words: readonly string[], environment: NodeJS.ProcessEnv = {}) {
  const main = fileURLToPath(new URL('../../demo/main.js', import.meta.url));
  const demo = spawn(process.execPath, [main, ...words], { env: { ...process.env, ...environment } });
  let output = '';
  for (const stream of [demo.stdout, demo.stderr]) {
    stream.setEncoding('utf8').on('data', (text: string) => {
      output += text;
    });
  }
  const ended = new Promise<number | null>((resolve) => demo.on('close', resolve));
  atEnd(t, async () => {
    // Not SIGKILL at once: pen would stay behind.
    demo.kill('SIGINT');
    await within(`end of the demo, which said: ${output}`, ended).finally(() => demo.kill('SIGKILL'));
  });
  return { demo, ended, output: () => output };
}

async function untilReady(output: () => string, ended: Promise<unknown>): Promise<void> {
  const early = ended.then(() => assert.fail(`the demo ended early, saying: ${output()}`));
  early.catch(() => {});
  await Promise.race([early, until('the demo is ready', () => output().includes('Ctrl-C ends everything'))]);
}

async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as { port: number };
  await new Promise((resolve) => server.close(resolve));
  return port;
}

/** Somebody has it from here on, whoever that is. */
async function takenPort(t: Scene, port: number): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.once('error', () => resolve()).listen(port, '127.0.0.1', resolve));
  atEnd(t, () => void server.close());
  return port;
}

test('the demo balances over three servers and ends everything on Ctrl-C', needsBin, async (t) => {
  const port = await freePort();
  const { demo, ended, output } = startDemo(t, [String(port), '--quiet']);
  await untilReady(output, ended);

  const bodies = await getMany(6, port);
  for (const name of ['red', 'green', 'blue']) {
    assert.equal(bodies.filter((body) => body.startsWith(`hello from ${name}`)).length, 2, bodies.join());
  }

  demo.kill('SIGINT');
  assert.equal(await within('end of the demo', ended), 0);
  assert.deepEqual(processesWith(`127.0.0.1:${port}`), []);
});

test('the demo says how to go on when the port is busy, and ends', needsBin, async (t) => {
  const busy = await tcpBackend(t);
  const next = await takenPort(t, busy.port + 1);
  const { ended, output } = startDemo(t, [String(busy.port)]);
  assert.equal(await within('end of the demo', ended), 1);
  const [, suggested] = /EADDRINUSE[\s\S]*npm start -- (\d+)/.exec(output()) ?? [];
  assert(Number(suggested) > next, output());
});

test(
  'the demo takes other ports than its own when the one of the dashboard is taken, and says why',
  needsBin,
  async (t) => {
    await takenPort(t, 8081);
    const { output, ended } = startDemo(t, ['--quiet']);
    await untilReady(output, ended);
    assert.match(output(), /^pen balances http:\/\/127\.0\.0\.1:\d+\/ over three servers \(8080 or 8081 is taken\):$/m);
  },
);

for (const signal of ['SIGTERM', 'SIGHUP'] as const) {
  test(`the demo leaves nothing behind when ${signal} comes while it starts`, needsBin, async (t) => {
    const port = await freePort();
    const { demo, ended } = startDemo(t, [String(port), '--quiet']);
    await until('pen is started', () => processesWith(`127.0.0.1:${port}`).length > 0);
    demo.kill(signal);
    assert.equal(await within('end of the demo', ended), 0);
    assert.deepEqual(processesWith(`127.0.0.1:${port}`), []);
  });
}

test('the demo hears a signal from the moment on from which something would be left behind', needsBin, async (t) => {
  const port = await freePort();
  const folder = scratch(t);
  const { demo, ended, output } = startDemo(t, [String(port), '--quiet'], { TMPDIR: folder });
  await until('its folder is there', () => readdirSync(folder).length > 0);
  demo.kill('SIGHUP');
  assert.equal(await within('end of the demo', ended), 0, output());
  assert.deepEqual([readdirSync(folder), processesWith(`127.0.0.1:${port}`)], [[], []]);
});

test('the demo ends when npm is ended, which ends the shell between them only', needsBin, async (t) => {
  const port = await freePort();
  const main = fileURLToPath(new URL('../../demo/main.js', import.meta.url));
  // `true` keeps the shell from becoming the demo.
  const npm = spawn('/bin/sh', ['-c', `'${process.execPath}' '${main}' ${port} --quiet; true`], {
    env: { ...process.env, npm_lifecycle_event: 'start' },
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  let output = '';
  npm.stdout.setEncoding('utf8').on('data', (text: string) => {
    output += text;
  });
  const ended = new Promise((resolve) => npm.stdout.on('close', resolve));
  atEnd(t, () => void npm.kill('SIGKILL'));
  await until('the demo is ready', () => output.includes('Ctrl-C ends everything'));
  assert.match(output, /^\nThe dashboard is at /, 'that is the first that it says');
  npm.kill('SIGTERM');
  await within('end of the demo', ended);
  assert.deepEqual(processesWith(`127.0.0.1:${port}`), []);
});

test('the demo has visitors, and a dashboard on the next port', needsBin, async (t) => {
  const port = await freePort();
  const { output, ended } = startDemo(t, [String(port)]);
  await untilReady(output, ended);
  const dashboard = Number(/^The dashboard is at http:\/\/127\.0\.0\.1:(\d+)\/$/m.exec(output())?.[1]);
  assert.match((await get(dashboard)).body, /<title>Pen<\/title>/);
  await until('visitors', async () => JSON.parse((await get(dashboard, { path: '/api/v1/clients' })).body).length > 3);
});
