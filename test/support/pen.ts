/** Pen as an actor of a scenario: started on a free port, asked through its control socket, ended with the test. */
import assert from 'node:assert/strict';
import { connect } from 'node:net';
import { join } from 'node:path';
import { atEnd, type Scene } from './ending.js';
import { isAlive, type Outcome, processesWith, start } from './process.js';
import { scratch } from './scratch.js';
import { until, within } from './wait.js';

export interface PenScript {
  /** Command-line options, as typed. */
  readonly options?: readonly string[];
  /** Where to listen; a free port of 127.0.0.1 unless given. */
  readonly listen?: string;
  /** SERVER operands; a backend stands for its address. */
  readonly servers?: ReadonlyArray<string | { readonly address: string }>;
  /** Worker threads; 1 unless given, so that connection 0 is the first and the order of events is one. */
  readonly threads?: number;
  /** The most descriptors it may have open (by prlimit, Linux). */
  readonly files?: number;
  /** Which engine; PEN_TEST_ENGINE, else pen's own choice, unless given. */
  readonly engine?: string | undefined;
  /** The network namespace it runs in (`Host.namespace` of a bed). */
  readonly namespace?: string | undefined;
  /** Words in front of the command: a program that starts it with other rights. */
  readonly before?: readonly string[];
}

export interface RunningPen {
  readonly pid: number;
  /** TCP port it listens on, 0 for a Unix socket. */
  readonly port: number;
  /** HOST:PORT or path it listens on, as `penctl listen` says. */
  readonly address: string;
  /** Path of the control socket. */
  readonly control: string;
  /** The reply to one control command, without the last newline. */
  ask(command: string): Promise<string>;
  /** Everything it has said on standard error so far. */
  log(): string;
  stdout(): string;
  signal(name: NodeJS.Signals): void;
  /** Ends it with TERM, expects status 0, and gives what it said. */
  stop(): Promise<Outcome>;
  readonly ended: Promise<Outcome>;
}

/** Starts `pen -f` and returns once it serves. When the test ends it is stopped, must end with status 0 and leave no process. */
export async function pen(t: Scene, script: PenScript = {}): Promise<RunningPen> {
  const control = join(scratch(t), 'ctl');
  const args = penArguments(script, control);
  const started = start('pen', args, {
    files: script.files,
    namespace: script.namespace,
    ...(script.before && { before: script.before }),
  });
  const { pid, ended, stderr, stdout } = started;
  let isOver = false;
  void ended.then(() => {
    isOver = true;
  });

  const stop = async () => {
    started.child.kill('SIGTERM');
    try {
      const outcome = await within(`end of pen after TERM, which said: ${stderr()}`, ended);
      assert.equal(outcome.signal ?? outcome.status, 0, `pen ended badly: ${outcome.stderr}`);
      return outcome;
    } finally {
      started.child.kill('SIGKILL');
    }
  };
  atEnd(t, async () => {
    if (!isOver) await stop();
    assert.doesNotMatch(stderr(), /\n\s+at /, 'pen printed a stack trace');
    assert.deepEqual(processesWith(control), [], 'a process is left behind');
  });

  const address = await until(`pen ${args.join(' ')} serves; it said: ${stderr()}`, async () => {
    if (isOver || !isAlive(pid)) throw new Error(`pen ${args.join(' ')} ended at once: ${(await ended).stderr}`);
    return askControl(control, 'listen').catch(() => '');
  });
  return {
    pid,
    address,
    port: address.includes('/') ? 0 : Number(address.slice(address.lastIndexOf(':') + 1)),
    control,
    ask: (command) => askControl(control, command),
    log: stderr,
    stdout,
    signal: (name) => void started.child.kill(name),
    stop,
    ended,
  };
}

/** The arguments of a foreground pen with a control socket. */
export function penArguments(script: PenScript, control: string): string[] {
  const options = script.options ?? [];
  const engine = script.engine ?? process.env.PEN_TEST_ENGINE;
  return [
    '-f',
    '-C',
    control,
    ...(engine ? ['-O', engine] : []),
    '-O',
    `threads ${script.threads ?? 1}`,
    ...options,
    script.listen ?? '127.0.0.1:0',
    ...(script.servers ?? []).map((server) => (typeof server === 'string' ? server : server.address)),
  ];
}

/** One command to a control socket (a path, or a port of 127.0.0.1): the reply without its last newline. */
export function askControl(control: string | number, command: string): Promise<string> {
  const reply = new Promise<string>((resolve, reject) => {
    const socket = typeof control === 'number' ? connect(control, '127.0.0.1') : connect(control);
    let text = '';
    socket.setEncoding('utf8');
    socket.on('connect', () => socket.write(`${command}\n`));
    socket.on('data', (chunk) => {
      text += chunk;
    });
    socket.on('end', () => resolve(text.replace(/\n$/, '')));
    socket.on('error', reject);
  });
  return within(`reply to "${command}"`, reply);
}
