/**
 * Without -f pen goes to the background: the program started by the user (the parent) starts itself once more,
 * detached, and waits for word from it.
 *
 *   parent                                   child (its own session, same directory, no standard streams)
 *     spawn ------------------------------->   start up
 *     stdout <-- { out } (replies of -O, -F)
 *     exit 0 <-- { ready }                     serves; the channel is closed
 *     or stderr, exit N <-- standard error, exit status N
 *
 * The child's standard error is a pipe to the parent, so that even a crash at start is seen; the child never
 * holds a stream of the parent's caller, so `x=$(pen ...)` returns. If the parent dies first, the child ends.
 */
import { spawn } from 'node:child_process';

const MARK = 'PEN_STARTED_BY';

type Message = { readonly out: string } | { readonly ready: true };

/** The child's end. */
export interface Parent {
  /** Shows text on the standard output of the program that the user started. */
  print(text: string): Promise<void>;
  /** What to do if the parent dies before we serve; unless told, exit. */
  onDeath(act: () => void): void;
  /** Tells that we serve, and lets go of the parent. */
  ready(): Promise<void>;
}

/** The way to the parent if this process is the background one, else undefined. Call it once, first of all. */
export function connectToParent(): Parent | undefined {
  const starter = process.env[MARK];
  delete process.env[MARK];
  if (starter === undefined) return undefined;
  // Adopted by init, or without a channel: whoever started us has been killed.
  if (starter !== String(process.ppid) || !process.connected) process.exit(1);

  let act: () => void = () => process.exit(1);
  const orphaned = () => act();
  process.once('disconnect', orphaned);
  // Nobody reads the pipe once the parent has gone.
  process.stderr.on('error', () => {});
  const tell = (message: Message) =>
    new Promise<void>((resolve) => {
      process.send?.(message, () => resolve());
    });
  return {
    print: (text) => tell({ out: text }),
    onDeath(instead) {
      act = instead;
    },
    async ready() {
      process.off('disconnect', orphaned);
      await tell({ ready: true });
      if (process.connected) process.disconnect();
    },
  };
}

/** The parent's end: starts the child and gives the exit status once it serves or has failed. */
export function runInBackground(args: readonly string[], name = 'pen'): Promise<number> {
  const [, program = ''] = process.argv;
  const child = spawn(process.execPath, [...process.execArgv, ...noInspector(), program, ...args], {
    detached: true,
    env: { ...process.env, [MARK]: String(process.pid) },
    stdio: ['ignore', 'ignore', 'pipe', 'ipc'],
  });
  let errors = '';
  child.stderr?.setEncoding('utf8').on('data', (text: string) => {
    errors += text;
  });
  const interrupted = (signal: NodeJS.Signals) => void child.kill(signal);
  process.on('SIGINT', interrupted).on('SIGTERM', interrupted);

  return new Promise((resolve) => {
    child.on('error', (failure) => {
      process.stderr.write(`${name}: cannot go to the background: ${failure.message}\n`);
      resolve(1);
    });
    child.on('message', (message: Message) => {
      if ('out' in message) {
        process.stdout.write(message.out);
        return;
      }
      child.removeAllListeners('close');
      child.stderr?.destroy();
      child.unref();
      process.off('SIGINT', interrupted).off('SIGTERM', interrupted);
      process.stderr.write(errors);
      resolve(0);
    });
    child.on('close', (status, signal) => {
      process.stderr.write(errors || `${name}: ended while starting (${signal ?? `status ${status}`})\n`);
      resolve(status || 1);
    });
  });
}

/** USR1 while Node itself is starting would open its inspector; bin/pen, which forbids that, has not been read yet. */
function noInspector(): string[] {
  const flag = '--disable-sigusr1';
  return process.allowedNodeEnvironmentFlags.has(flag) && !process.execArgv.includes(flag) ? [flag] : [];
}
