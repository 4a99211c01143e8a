/** The stream of frames that the dashboard reads. */
import assert from 'node:assert/strict';
import { request } from 'node:http';
import { connect } from 'node:net';
import { test } from 'node:test';
import { admin } from './admin.suite.js';

test('a stream brings a frame at once, another when something happens, and ends with the port', async (t) => {
  const { port, service, plane, clock } = await admin(t);
  let text = '';
  const ended = new Promise<void>((resolve, reject) => {
    request({ host: '127.0.0.1', port, path: '/api/v1/live' }, (response) => {
      response.setEncoding('utf8');
      response.on('data', (chunk) => {
        text += chunk;
      });
      response.on('end', resolve);
      response.on('error', reject);
    })
      .on('error', reject)
      .end();
  });
  const frames = () =>
    text
      .split('\n\n')
      .slice(0, -1)
      .map((block) => JSON.parse(block.replace('event: frame\ndata: ', '')));
  const until = async (what: string, isSo: () => boolean) => {
    for (let tries = 0; !isSo(); tries++) {
      assert(tries < 500, `waited in vain for ${what}: ${text}`);
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
  };
  await until('the first frame', () => frames().length > 0);
  assert.deepEqual(Object.keys(frames()[0]), ['summary', 'counts', 'servers', 'point', 'events']);
  assert.equal(frames()[0].servers[1].address, '127.0.0.1:8002');
  plane.servers.setBlacklistedUntil(1, clock.monotonicMs + 5000);
  service.observer.look();
  await until('the news', () => frames().some(({ events }) => /blacklisted/.test(events.at(-1)?.text)));
  assert.equal(frames().at(-1).servers[1].state, 'blacklisted');
  await service.execute('no admin', 'unix');
  await ended;
});

test('streams that were asked for one behind another leave with their connection', async (t) => {
  const warnings: Error[] = [];
  const warned = (warning: Error) => warnings.push(warning);
  process.on('warning', warned);
  t.after(() => process.off('warning', warned));
  const { port } = await admin(t);
  const socket = connect(port, '127.0.0.1').on('error', () => {});
  socket.write('GET /api/v1/live HTTP/1.1\r\nHost: localhost\r\n\r\n'.repeat(40));
  const watch = () =>
    new Promise<number | undefined>((resolve, reject) => {
      const asking = request({ host: '127.0.0.1', port, path: '/api/v1/live', agent: false }, (response) => {
        resolve(response.on('error', () => {}).resume().statusCode);
      });
      t.after(() => asking.destroy());
      asking.on('error', reject).end();
    });
  while ((await watch()) !== 503);
  socket.destroy();
  // Too many in vain are 429.
  for (let watching = 0; watching < 16; ) {
    const status = await watch();
    assert(status === 200 || status === 503, `${status} after ${watching}`);
    if (status === 200) watching++;
  }
  assert.deepEqual(warnings, []);
});

test('a frame of very many servers has those that are not well, and counts all', async (t) => {
  const { port, service } = await admin(t);
  await service.execute('server 1999 address 127.0.0.1 port 9', 'unix');
  const lines = Array.from({ length: 1500 }, (_, slot) => `server ${slot} address 127.0.0.1 port ${slot + 1}`);
  for (const line of lines) await service.execute(line, 'unix');
  await service.execute('server 1999 blacklist 60', 'unix');
  const frame = await new Promise<{ counts: object; servers: { server: number }[] }>((resolve, reject) => {
    const asking = request({ host: '127.0.0.1', port, path: '/api/v1/live' }, (response) => {
      let text = '';
      response.setEncoding('utf8').on('data', (chunk) => {
        text += chunk;
        if (!text.includes('\n\n')) return;
        asking.destroy();
        resolve(JSON.parse(text.slice(text.indexOf('{'), text.indexOf('\n\n'))));
      });
    });
    asking.on('error', reject).end();
  });
  assert.deepEqual(frame.counts, { servers: 1501, up: 1500 });
  assert.deepEqual([frame.servers.length, frame.servers[0]?.server, frame.servers[1]?.server], [1000, 1999, 0]);
});
