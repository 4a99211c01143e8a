/** Runs `pen` and `penctl` as a user would, as processes, and sees to it that none is left behind. */
import { type ChildProcess, type SpawnOptions, spawn } from 'node:child_process';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { within } from './wait.js';

export type Program = 'pen' | 'penctl' | 'penlog' | 'penlogd' | 'mergelogs';

/** How a process ended and what it said. */
export interface Outcome {
  readonly status: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** A started process whose output is collected. */
export interface Started {
  readonly child: ChildProcess;
  readonly pid: number;
  stdout(): string;
  stderr(): string;
  /** Settles when the process has ended and all its output has been read. */
  readonly ended: Promise<Outcome>;
}

const bin = new URL('../../../bin/', import.meta.url);

/** Arguments for `node` that run a program from the build which this file belongs to. */
export function commandOf(program: Program): string[] {
  return existsSync(new URL(program, bin))
    ? [fileURLToPath(new URL(program, bin))]
    : [fileURLToPath(new URL('launch.js', import.meta.url)), program];
}

export function start(
  program: Program,
  args: readonly string[],
  options: SpawnOptions & {
    readonly files?: number | undefined;
    readonly namespace?: string | undefined /** Words that run it: setpriv and its options. */;
    readonly before?: readonly string[];
  } = {},
): Started {
  const { files, namespace, before = [], ...rest } = options;
  const limited = files === undefined ? [] : ['prlimit', `--nofile=${files}:${files}`];
  // It becomes the program, so the process number is the program's.
  const inside = namespace === undefined ? [] : ['ip', 'netns', 'exec', namespace];
  const [command, ...words] = [...inside, ...before, ...limited, process.execPath, ...commandOf(program), ...args];
  const child = spawn(command as string, words, {
    stdio: ['ignore', 'pipe', 'pipe'],
    ...rest,
  });
  let stdout = '';
  let stderr = '';
  child.stdout?.setEncoding('utf8').on('data', (text: string) => {
    stdout += text;
  });
  child.stderr?.setEncoding('utf8').on('data', (text: string) => {
    stderr += text;
  });
  const ended = new Promise<Outcome>((resolve, reject) => {
    child.on('error', reject);
    child.on('close', (status, signal) => resolve({ status, signal, stdout, stderr }));
  });
  return { child, pid: child.pid ?? 0, stdout: () => stdout, stderr: () => stderr, ended };
}

/** Runs a program to its end; kills it and fails when it takes too long. */
export async function run(program: Program, args: readonly string[], options: SpawnOptions = {}): Promise<Outcome> {
  const started = start(program, args, options);
  try {
    return await within(`end of ${program} ${args.join(' ')}`, started.ended);
  } catch (failure) {
    started.child.kill('SIGKILL');
    throw failure;
  }
}

/** Whether a process of that number is there (a zombie is not). */
export function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
  } catch (failure) {
    return (failure as NodeJS.ErrnoException).code === 'EPERM';
  }
  try {
    return !/^State:\s+Z/m.test(readFileSync(`/proc/${pid}/status`, 'utf8'));
  } catch {
    return process.platform !== 'linux';
  }
}

/** Numbers of the processes that were started with `word` among their arguments (Linux; elsewhere none). */
export function processesWith(word: string): number[] {
  if (!existsSync('/proc/self/cmdline')) return [];
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name) && Number(name) !== process.pid)
    .filter((name) => {
      try {
        return readFileSync(`/proc/${name}/cmdline`, 'utf8').includes(word);
      } catch {
        return false;
      }
    })
    .map(Number);
}
