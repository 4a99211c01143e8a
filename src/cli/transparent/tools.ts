/** Runs the system's own programs. */
import { spawn } from 'node:child_process';

export interface Ran {
  /** undefined: there is no such program. */
  readonly status: number | undefined;
  readonly stdout: string;
  /** The first line of what it complained about. */
  readonly complaint: string;
}

/** Runs `program` to its end with `input` on its standard input. */
export type Run = (program: string, words: readonly string[], input?: string) => Promise<Ran>;

/** Directories where they are even if the caller's PATH, as a user's often does, leaves them out. */
const PLACES = ['/usr/local/sbin', '/usr/sbin', '/sbin'];

export const runTool: Run = (program, words, input = '') =>
  new Promise((resolve) => {
    const env = { ...process.env, PATH: [process.env.PATH ?? '', ...PLACES].join(':'), LC_ALL: 'C' };
    const child = spawn(program, words, { env, stdio: ['pipe', 'pipe', 'pipe'] });
    const said = { stdout: '', stderr: '' };
    for (const name of ['stdout', 'stderr'] as const) {
      child[name].setEncoding('utf8').on('data', (text: string) => {
        said[name] += text;
      });
    }
    child.stdin.on('error', () => {});
    child.stdin.end(input);
    child.on('error', (failure) => resolve({ status: undefined, stdout: '', complaint: failure.message }));
    child.on('close', (status) => {
      resolve({ status: status ?? 1, stdout: said.stdout, complaint: said.stderr.trim().split('\n')[0] ?? '' });
    });
  });
