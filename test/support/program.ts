/** Real programs from the system's packages: found or skipped with the reason, started, awaited, ended with the test. */
import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { connect } from 'node:net';
import { delimiter, join } from 'node:path';
import { promisify } from 'node:util';
import { atEnd, type Scene } from './ending.js';
import { until, within } from './wait.js';

const execute = promisify(execFile);
const places = `${process.env.PATH ?? ''}${delimiter}/usr/sbin${delimiter}/usr/lib/postgresql/15/bin`.split(delimiter);

/** Path of a program, undefined if it is not installed. */
export function find(program: string): string | undefined {
  return places.map((place) => join(place, program)).find((path) => existsSync(path));
}

/** The `skip` option of a test that needs these programs: false, or what is missing. */
export function missing(...programs: string[]): string | false {
  const absent = programs.filter((program) => find(program) === undefined);
  return absent.length > 0 && `not installed: ${absent.join(', ')}`;
}

/** Runs a program to its end and gives its output; fails with what it said when it does. */
export async function output(program: string, args: readonly string[], timeoutMs = 120_000): Promise<string> {
  const { stdout } = await execute(find(program) ?? program, args, { timeout: timeoutMs, maxBuffer: 1 << 24 });
  return stdout;
}

export interface Daemon {
  readonly child: ChildProcess;
  stop(signal?: NodeJS.Signals): Promise<void>;
}

/** Starts a server that stays in the foreground and returns once `port` answers; it is ended with the test. */
export async function daemon(
  t: Scene,
  program: string,
  args: readonly string[],
  ready: { readonly port: number; readonly uid?: number; readonly cwd?: string },
): Promise<Daemon> {
  const { port, ...how } = ready;
  const child = spawn(find(program) ?? program, args, { stdio: ['ignore', 'pipe', 'pipe'], ...how });
  let said = '';
  for (const stream of [child.stdout, child.stderr]) {
    stream?.setEncoding('utf8').on('data', (text: string) => {
      said += text;
    });
  }
  const ended = new Promise<void>((resolve) => child.on('close', () => resolve()));
  const stop = async (signal: NodeJS.Signals = 'SIGTERM') => {
    if (child.exitCode === null && child.signalCode === null) child.kill(signal);
    await within(`end of ${program}`, ended);
  };
  // TERM, so that a server with processes of its own takes them along.
  atEnd(t, () => stop());
  await until(`${program} answers on port ${port}`, () => {
    if (child.exitCode !== null) throw new Error(`${program} ended at once: ${said}`);
    return answers(port);
  });
  return { child, stop };
}

/** A port of 127.0.0.1 that is free now. */
export async function freePort(): Promise<number> {
  const { createServer } = await import('node:net');
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as { port: number };
  await new Promise((resolve) => server.close(resolve));
  return port;
}

function answers(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const probe = connect(port, '127.0.0.1');
    probe.on('connect', () => {
      probe.destroy();
      resolve(true);
    });
    probe.on('error', () => resolve(false));
  });
}
