/** The log family as actors of a scenario: penlogd, penlog on a pipe, and visitors who are to be found in the log. */
import { spawn, spawnSync } from 'node:child_process';
import { createSocket } from 'node:dgram';
import { closeSync, existsSync, openSync, readFileSync } from 'node:fs';
import { Agent, request } from 'node:http';
import { join } from 'node:path';
import { atEnd, type Scene } from './ending.js';
import { commandOf, start } from './process.js';
import { find } from './program.js';
import { until, within } from './wait.js';

/** `ours` is of this checkout, `debian` the C program. */
export type Maker = 'ours' | 'debian';

/** penlogd on a free port of this host, writing to `file`; ended with the test. */
export async function penlogd(
  t: Scene,
  file: string,
  maker: Maker = 'ours',
): Promise<{ readonly port: number; signal(name: NodeJS.Signals): void; said(): string }> {
  const port = await freeDatagramPort();
  const started =
    maker === 'ours'
      ? start('penlogd', ['-f', '-d', '-n', '20000', '-l', file, `127.0.0.1:${port}`])
      : foreign(['-f', '-b', '-n', '20000', '-l', file, String(port)]);
  atEnd(t, async () => {
    started.child.kill('SIGTERM');
    await within('end of penlogd', started.ended);
  });
  await until('penlogd listens', () => isTaken(port));
  return { port, signal: (name) => void started.child.kill(name), said: started.stderr };
}

/** The path of a pipe whose lines penlog sends to `port`, from the address `from`. */
export function penlogPipe(t: Scene, folder: string, port: number, from = '127.0.0.1'): string {
  const pipe = join(folder, 'access.pipe');
  spawnSync('mkfifo', [pipe]);
  // Open for both, so that it has a reader before the web server starts and never ends.
  const descriptor = openSync(pipe, 'r+');
  const child = spawn(process.execPath, [...commandOf('penlog'), '127.0.0.1', String(port), from], {
    stdio: [descriptor, 'ignore', 'inherit'],
  });
  closeSync(descriptor);
  const ended = new Promise((resolve) => child.on('close', resolve));
  atEnd(t, async () => {
    child.kill('SIGTERM');
    await within('end of penlog', ended);
  });
  return pipe;
}

/**
 * `visitors` clients, each from an address of its own and on a kept-alive connection, ask for `each` pages that nobody else
 * asks for. Gives the client by the page's number.
 */
export async function visit(port: number, visitors: number, each: number): Promise<Map<number, string>> {
  const clients = new Map<number, string>();
  await Promise.all(
    Array.from({ length: visitors }, async (_, visitor) => {
      const from = `127.7.${visitor >> 8}.${visitor & 255}`;
      const agent = new Agent({ keepAlive: true, maxSockets: 1, localAddress: from } as object);
      for (let n = 0; n < each; n++) {
        const page = visitor * each + n;
        clients.set(page, from);
        await within(`page ${page}`, ask(agent, port, `/?page=${page}`));
      }
      agent.destroy();
    }),
  );
  return clients;
}

/** What is wrong with a merged log: each page must be there once, with its client; empty if nothing is. */
export function faultsOf(log: string, clients: ReadonlyMap<number, string>): string[] {
  const faults: string[] = [];
  const seen = new Set<number>();
  for (const line of log.split('\n').slice(0, -1)) {
    const match = /^(\S+) - - \[[^\]]+\] "GET \/\?page=(\d+) HTTP\/1\.1" 200 /.exec(line);
    const page = Number(match?.[2]);
    if (match === null || seen.has(page) || match[1] !== clients.get(page)) faults.push(line);
    seen.add(page);
  }
  for (const page of clients.keys()) if (!seen.has(page)) faults.push(`page ${page} is missing`);
  return faults;
}

/** Lines of a file, 0 if it is not there. */
export function countLines(file: string): number {
  try {
    return readFileSync(file, 'latin1').split('\n').length - 1;
  } catch {
    return 0;
  }
}

function ask(agent: Agent, port: number, path: string): Promise<void> {
  return new Promise((resolve, reject) => {
    const asking = request({ agent, host: '127.0.0.1', port, path }, (response) => {
      response.resume().on('end', resolve).on('error', reject);
    });
    asking.on('error', reject).end();
  });
}

function foreign(args: readonly string[]) {
  const child = spawn(find('penlogd') as string, args, { stdio: ['ignore', 'pipe', 'pipe'] });
  let said = '';
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    said += text;
  });
  const ended = new Promise((resolve) => child.on('close', resolve));
  return { child, ended, stderr: () => said };
}

/** A UDP port of 127.0.0.1 that is free now. */
export async function freeDatagramPort(): Promise<number> {
  const socket = createSocket('udp4');
  await new Promise<void>((resolve) => socket.bind(0, '127.0.0.1', resolve));
  const { port } = socket.address();
  await new Promise<void>((resolve) => socket.close(() => resolve()));
  return port;
}

/** Whether somebody has bound this UDP port, of whatever address (proc_net_udp in Linux's documentation). */
function isTaken(port: number): boolean {
  const local = `:${port.toString(16).toUpperCase().padStart(4, '0')} `;
  return ['/proc/net/udp', '/proc/net/udp6'].some(
    (file) => existsSync(file) && readFileSync(file, 'utf8').includes(local),
  );
}
