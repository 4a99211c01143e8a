/** What a newcomer sees first: `npm start`. */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { createServer } from 'node:net';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { tcpBackend } from '../support/backend.js';
import { getMany } from '../support/client.js';
import { atEnd, type Scene } from '../support/ending.js';
import { processesWith } from '../support/process.js';
import { until, within } from '../support/wait.js';

/** The demo starts bin/pen, which belongs to the build in dist. */
const needsBin = {
  skip: !existsSync(new URL('../../../bin/pen', import.meta.url)) && 'this build has no bin beside it',
};

function startDemo(t: Scene, port: string) {
  const demo = spawn(process.execPath, [fileURLToPath(new URL('../../demo/main.js', import.meta.url)), port]);
  let output = '';
  for (const stream of [demo.stdout, demo.stderr]) {
    stream.setEncoding('utf8').on('data', (text: string) => {
      output += text;
    });
  }
  const ended = new Promise<number | null>((resolve) => demo.on('close', resolve));
  atEnd(t, () => demo.kill('SIGKILL'));
  return { demo, ended, output: () => output };
}

async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as { port: number };
  await new Promise((resolve) => server.close(resolve));
  return port;
}

test('the demo balances over three servers and ends everything on Ctrl-C', needsBin, async (t) => {
  const port = await freePort();
  const { demo, ended, output } = startDemo(t, String(port));
  await until(`the demo is ready; it said: ${output()}`, () => output().includes('Ctrl-C ends everything'));

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
  const { ended, output } = startDemo(t, String(busy.port));
  assert.equal(await within('end of the demo', ended), 1);
  assert.match(output(), /EADDRINUSE[\s\S]*npm start -- \d+/);
});
