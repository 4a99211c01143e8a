/** `npm start [-- PORT]`: three small web servers and pen in front of them, started as a user would start it. */
import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { Scoreboard } from './scoreboard.js';
import { WebServer } from './web-server.js';

const PEN = fileURLToPath(new URL('../../bin/pen', import.meta.url));
/** Short, so that a revived server is soon seen at work again. */
const BLACKLIST_SEC = 5;

const port = Number(process.argv[2] ?? 8080);
if (!Number.isInteger(port) || port < 1 || port > 65_535) {
  console.error(`'${process.argv[2]}' is no port (npm start -- PORT, 1 to 65535)`);
  process.exit(2);
}

const servers = ['red', 'green', 'blue'].map((name) => new WebServer(name));
for (const server of servers) await server.revive();

const folder = mkdtempSync(join(tmpdir(), 'pen-demo-'));
process.on('exit', () => rmSync(folder, { recursive: true, force: true }));
const control = join(folder, 'ctl');
const command = [
  ...['-f', '-r', '-b', String(BLACKLIST_SEC), '-C', control],
  `127.0.0.1:${port}`,
  ...servers.map((server) => `127.0.0.1:${server.port}`),
];

// A group of its own: Ctrl-C comes to us, and we end pen in good order.
const pen = spawn(process.execPath, [PEN, ...command], { stdio: ['ignore', 'inherit', 'inherit'], detached: true });
let isEnding = false;
pen.on('exit', (status, signal) => {
  if (isEnding) return;
  console.error(`pen has ended (${signal ?? `status ${status}`}); for another port: npm start -- ${port + 1}`);
  process.exit(1);
});
await untilServing();

introduce();
const scoreboard = new Scoreboard(servers);
process.on('SIGINT', end).on('SIGTERM', end);
if (process.stdin.isTTY) listenToKeys();

function introduce(): void {
  const keys = servers.map((server, at) => `${at + 1} ${server.name}`).join(', ');
  console.log(`
pen balances http://127.0.0.1:${port}/ over three servers:
${servers.map((server) => `  ${server.name.padEnd(6)} http://127.0.0.1:${server.port}/`).join('\n')}

It was started like this:
  bin/pen ${command.join(' ')}

Try, in another terminal:
  curl http://127.0.0.1:${port}/
  for i in $(seq 30); do curl -s http://127.0.0.1:${port}/; done
  ab -n 3000 -c 8 http://127.0.0.1:${port}/
  bin/penctl ${control} servers
  bin/penctl ${control} no roundrobin    # a client stays with its server
  bin/penctl ${control} roundrobin       # back to taking turns
  bin/penctl ${control} help
${process.stdin.isTTY ? `\nKeys: ${keys}: kill it, or revive it; Ctrl-C ends everything.` : '\nCtrl-C ends everything.'}
While a server is down the others take its requests; revived, it is back within ${BLACKLIST_SEC} seconds.
`);
}

function listenToKeys(): void {
  process.stdin.setRawMode(true).setEncoding('utf8');
  process.stdin.on('data', (keys: string) => {
    for (const key of keys) {
      if (key === '\u0003' || key === 'q') end();
      const server = servers[Number(key) - 1];
      if (server) void toggle(server);
    }
  });
}

async function toggle(server: WebServer): Promise<void> {
  if (server.isUp) server.kill();
  else await server.revive();
  console.log(`           ${server.name} is ${server.isUp ? 'up again' : 'down'}`);
}

function end(): void {
  if (isEnding) return;
  isEnding = true;
  scoreboard.stop();
  void stop(pen).then(() => {
    for (const server of servers) server.kill();
    console.log('\nall ended');
    process.exit(0);
  });
}

async function stop(child: ChildProcess): Promise<void> {
  const ended = new Promise((resolve) => child.once('exit', resolve));
  child.kill('SIGTERM');
  await Promise.race([ended, sleep(3_000)]);
  child.kill('SIGKILL');
}

/** Returns when pen answers at its control socket, which it opens last; its end is seen elsewhere. */
async function untilServing(): Promise<void> {
  for (;;) {
    const isOpen = await new Promise<boolean>((resolve) => {
      const socket = connect(control, () => {
        socket.destroy();
        resolve(true);
      });
      socket.on('error', () => resolve(false));
    });
    if (isOpen) return;
    await sleep(50);
  }
}
