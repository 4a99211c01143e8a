/**
 * `npm start [-- PORT [--quiet]]`: three small web servers, visitors for them, and pen in between, started as a user would
 * start it, with its dashboard on the next port. PORT: 8080, or the first one behind it that is free, as is the next.
 * `--quiet`: no visitors, and no browser is opened.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { ask, parseAddress } from '../src/cli/ask.js';
import { Scoreboard } from './scoreboard.js';
import { Visitors } from './visitors.js';
import { WebServer } from './web-server.js';

const PEN = fileURLToPath(new URL('../../bin/pen', import.meta.url));
/** Short, so that a revived server is soon seen at work again. */
const BLACKLIST_SEC = 5;
const PORT = 8080;
const LAST_PORT = 65_534;
/** Between two looks whether npm is still there. */
const LOOK_MS = 500;

const isQuiet = process.argv.includes('--quiet');
const [portText] = process.argv.slice(2).filter((word) => word !== '--quiet');
const port = portText === undefined ? await freePort(PORT) : Number(portText);
if (!Number.isInteger(port) || port < 1 || port > LAST_PORT) {
  console.error(`'${portText}' is no port (npm start -- PORT, 1 to ${LAST_PORT})`);
  process.exit(2);
}

const servers = ['red', 'green', 'blue'].map((name) => new WebServer(name));
for (const server of servers) await server.revive();

// Where somebody else has the next port the kernel chooses one.
const adminPort = (await isFree(port + 1)) ? port + 1 : 0;
let isEnding = false;
let scoreboard: Scoreboard | undefined;
let visitors: Visitors | undefined;
// Before there is what would stay behind without us. Nothing is awaited until pen is started, so `end` finds it.
process.on('SIGINT', end).on('SIGTERM', end).on('SIGHUP', end);
const folder = mkdtempSync(join(tmpdir(), 'pen-demo-'));
process.on('exit', () => rmSync(folder, { recursive: true, force: true }));
const control = join(folder, 'ctl');
const command = [
  ...['-f', '-r', '-b', String(BLACKLIST_SEC), '-C', control, '-O', `admin ${adminPort}`],
  `127.0.0.1:${port}`,
  ...servers.map((server) => `127.0.0.1:${server.port}`),
];

// A group of its own: Ctrl-C comes to us, and we end pen in good order.
// Its output is the reply to `admin`, which is said below.
const pen = spawn(process.execPath, [PEN, ...command], { stdio: ['ignore', 'ignore', 'inherit'], detached: true });
pen.on('exit', (status, signal) => {
  if (isEnding) return;
  void freePort(port + 1).then((free) => {
    console.error(`pen has ended (${signal ?? `status ${status}`}); for another port: npm start -- ${free}`);
    process.exit(1);
  });
});
endWithNpm();
const dashboard = await untilServing();

introduce();
scoreboard = new Scoreboard(servers, isQuiet ? 1_000 : 10_000);
visitors = isQuiet ? undefined : new Visitors(port);
if (!isQuiet) openBrowser(dashboard);
if (process.stdin.isTTY) listenToKeys();

function introduce(): void {
  const keys = servers.map((server, at) => `${at + 1} ${server.name}`).join(', ');
  console.log(`
The dashboard is at ${dashboard}

pen balances http://127.0.0.1:${port}/ over three servers${portText === undefined && port !== PORT ? ` (${PORT} or ${PORT + 1} is taken)` : ''}:
${servers.map((server) => `  ${server.name.padEnd(6)} http://127.0.0.1:${server.port}/`).join('\n')}

It was started like this:
  bin/pen ${command.map((word) => (word.includes(' ') ? `'${word}'` : word)).join(' ')}

Try, in another terminal:
  curl http://127.0.0.1:${port}/
  for i in $(seq 30); do curl -s http://127.0.0.1:${port}/; done
  ab -n 3000 -c 8 http://127.0.0.1:${port}/
  bin/penctl ${control} top
  bin/penctl ${control} explain 127.0.1.7
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
  visitors?.stop();
  scoreboard?.stop();
  void stop(pen).then(() => {
    for (const server of servers) server.kill();
    console.log('\nall ended');
    process.exit(0);
  });
}

/** npm ends the shell between it and us when it is told to end; nobody tells us. */
function endWithNpm(): void {
  if (process.env.npm_lifecycle_event === undefined) return;
  const parent = process.ppid;
  setInterval(() => process.ppid === parent || end(), LOOK_MS).unref();
}

async function stop(child: ChildProcess): Promise<void> {
  const ended = new Promise((resolve) => child.once('exit', resolve));
  child.kill('SIGTERM');
  await Promise.race([ended, sleep(3_000)]);
  child.kill('SIGKILL');
}

/**
 * The dashboard's address, when pen answers at its control socket, which it opens last. If it ends instead, that is seen
 * elsewhere.
 */
async function untilServing(): Promise<string> {
  for (;;) {
    const reply = await ask(parseAddress(control), 'admin').catch(() => undefined);
    if (reply !== undefined && !isEnding) return `http://${reply.trim()}/`;
    await sleep(50);
  }
}

/** Shows a page to whoever sits at this screen, if somebody does; it is not missed otherwise. */
function openBrowser(url: string): void {
  const hasScreen = process.platform === 'darwin' || process.env.DISPLAY || process.env.WAYLAND_DISPLAY;
  if (!process.stdout.isTTY || !hasScreen || process.env.SSH_CONNECTION) return;
  const opener = spawn(process.platform === 'darwin' ? 'open' : 'xdg-open', [url], { stdio: 'ignore', detached: true });
  opener.on('error', () => {});
  opener.unref();
}

/** The first, from `first` on, that is free and has another free one behind it, for the dashboard. */
async function freePort(first: number): Promise<number> {
  for (let candidate = first; candidate <= LAST_PORT; candidate++)
    if ((await isFree(candidate)) && (await isFree(candidate + 1))) return candidate;
  return PORT;
}

async function isFree(candidate: number): Promise<boolean> {
  const probe = createServer();
  const isBound = await new Promise<boolean>((resolve) => {
    probe.once('error', () => resolve(false));
    probe.listen(candidate, '127.0.0.1', () => resolve(true));
  });
  await new Promise((resolve) => probe.close(resolve));
  return isBound;
}
