/** `penctl ADDRESS COMMAND...`: sends one command to a running pen and shows the reply, once or again and again. */
import { setTimeout as sleep } from 'node:timers/promises';
import { ask, type ControlAddress, parseAddress } from './ask.js';
import { lineOf, statusOf, UsageError } from './errors.js';
import { type Paint, paintFor, printable } from './paint.js';
import { heedOutput } from './standard-output.js';
import { type Reading, topScreen } from './top.js';
import { version } from './version.js';

const USAGE = 'usage: penctl HOST:PORT|/PATH/TO/SOCKET COMMAND... [--json] [--watch[=SECONDS]]';

const HELP = `${USAGE}

The command "help" lists the commands, for example: penctl localhost:8888 help

  top                  traffic and servers, anew every second, until q or Ctrl-C
  --watch[=SECONDS]    the reply to any command, anew every 2 seconds
  --json               for programs: servers, clients, connections, events, status, explain
`;

const WATCH_SEC = 2;
const TOP_SEC = 1;

/** To the head of the screen; what stood there is cleared line by line, so that nothing flickers. */
const HOME = '\u001b[H';
const CLEAR_LINE = '\u001b[K';
const CLEAR_BELOW = '\u001b[J';
/** A screen of our own, the user's comes back afterwards; without a cursor. */
const ENTER = '\u001b[?1049h\u001b[?25l';
const LEAVE = '\u001b[?25h\u001b[?1049l';

export interface PenctlCall {
  readonly address: ControlAddress;
  readonly command: string;
  /** Seconds between readings; undefined: only one. */
  readonly everySec: number | undefined;
}

/** Runs the program. Status 0: a reply that is no error; 1: an error reply, or pen can't be reached; 2: usage. */
export async function main(argv: readonly string[]): Promise<void> {
  const isRepeated = argv[1] === 'top' || argv.some((word) => word.startsWith('--watch'));
  // Who looks again and again stops by itself, and gives the screen back.
  heedOutput('penctl', isRepeated ? 'go on' : 'end');
  if (argv[0] === '--help' || argv[0] === '--version') {
    process.stdout.write(argv[0] === '--help' ? HELP : `penctl ${version()}\n`);
    return;
  }
  try {
    const call = parsePenctl(argv);
    if (call.command === 'top') await repeat(call.everySec ?? TOP_SEC, top(call.address));
    else if (call.everySec !== undefined) await repeat(call.everySec, watched(call));
    else await once(call);
  } catch (failure) {
    process.stderr.write(`penctl: ${lineOf(failure)}\n`);
    process.exitCode = statusOf(failure);
  }
}

/** Grammar of the command line. Throws UsageError. */
export function parsePenctl(argv: readonly string[]): PenctlCall {
  const [text, ...rest] = argv;
  const watches = rest.filter((word) => /^--watch(=|$)/.test(word));
  const words = rest.filter((word) => !watches.includes(word));
  if (text === undefined || words.length === 0) throw new UsageError(USAGE);
  const command = words.join(' ');
  if (/[\r\n]/.test(command)) throw new UsageError('a command is one line');
  return { address: parseAddress(text), command, everySec: watchSeconds(watches.at(-1)) };
}

function watchSeconds(word: string | undefined): number | undefined {
  if (word === undefined) return undefined;
  const [, seconds = String(WATCH_SEC)] = word.split('=');
  if (!/^\d{1,5}(\.\d+)?$/.test(seconds) || Number(seconds) < 0.1) {
    throw new UsageError(`--watch: expected seconds from 0.1, got '${seconds}'`);
  }
  return Number(seconds);
}

async function once({ address, command }: PenctlCall): Promise<void> {
  const reply = await ask(address, command);
  const isError = reply.startsWith('error:');
  const stream = isError ? process.stderr : process.stdout;
  stream.write(stream.isTTY ? painted(reply, paintFor(stream, process.env)) : reply);
  process.exitCode = isError ? 1 : 0;
}

type Screen = (size: { width: number; height: number }, paint: Paint) => Promise<readonly string[]>;

function watched({ address, command }: PenctlCall): Screen {
  return async ({ width, height }, paint) => {
    const reply = await ask(address, command);
    const lines = printable(reply).trimEnd().split('\n').slice(0, height);
    return lines.map((line) => painted(line.slice(0, width), paint));
  };
}

function top(address: ControlAddress): Screen {
  const read = async () => {
    const reply = await ask(address, 'status --json');
    const reading = readingOf(reply);
    if (reading) return reading;
    throw new UsageError(`pen at '${address.text}' has no "status --json" like ours: it is another version, or no pen`);
  };
  let before: Reading | undefined;
  return async (size, paint) => {
    const now = await read();
    const lines = topScreen(before ?? now, now, size, paint);
    before = now;
    return lines;
  };
}

/** undefined if the reply is something else. */
function readingOf(reply: string): Reading | undefined {
  try {
    const reading = JSON.parse(reply) as Reading;
    return Array.isArray(reading.servers) && typeof reading.refusals === 'object' ? reading : undefined;
  } catch {
    return undefined;
  }
}

/** On a terminal until q or Ctrl-C; elsewhere readings follow each other with an empty line between. */
async function repeat(everySec: number, screen: Screen): Promise<void> {
  const { stdin, stdout } = process;
  const paint = paintFor(stdout, process.env);
  const end = new AbortController();
  const isScreen = stdout.isTTY === true;
  const ended = new Promise<undefined>((resolve) => end.signal.addEventListener('abort', () => resolve(undefined)));
  const stop = () => end.abort();
  process.once('SIGINT', stop).once('SIGTERM', stop);
  stdout.on('error', stop);
  if (isScreen && stdin.isTTY) {
    stdin.setRawMode(true).setEncoding('utf8');
    stdin.on('data', (keys: string) => (keys.includes('q') || keys.includes('\u0003')) && stop());
  }
  if (isScreen) stdout.write(ENTER);
  try {
    let before: readonly string[] | undefined;
    while (!end.signal.aborted) {
      // A serial line says that it is 0 wide.
      const size = isScreen
        ? { width: stdout.columns || 80, height: (stdout.rows || 24) - 1 }
        : { width: 10_000, height: 100_000 };
      const drawn = screen(size, paint).catch((failure: unknown) => {
        // Pen may be starting again: the last figures stay, under a line that says so.
        if (!isScreen || before === undefined) throw failure;
        const [, ...below] = before;
        return [paint('bad', printable(lineOf(failure)).slice(0, size.width)), ...below];
      });
      // Who wants to go need not wait for a pen that answers nothing.
      const lines = await Promise.race([drawn, ended]);
      if (lines === undefined) break;
      before = lines;
      if (isScreen) stdout.write(`${HOME}${lines.map((line) => `${line}${CLEAR_LINE}\n`).join('')}${CLEAR_BELOW}`);
      else stdout.write(`${lines.join('\n')}\n\n`);
      await sleep(everySec * 1000, undefined, { signal: end.signal }).catch(() => {});
    }
  } finally {
    if (isScreen) stdout.write(LEAVE);
    if (isScreen && stdin.isTTY) stdin.setRawMode(false).pause();
  }
  // A question that has not been answered would keep us.
  process.exit(0);
}

/** Words that say how a server is, and errors. */
function painted(reply: string, paint: Paint): string {
  return printable(reply)
    .replace(/^error:.*$/gm, (text) => paint('bad', text))
    .replace(/\bblacklisted for \d+ s\b/g, (text) => paint('bad', text))
    .replace(/\bdraining\b/g, (text) => paint('warn', text))
    .replace(/\b(is back|takes it)\b/g, (text) => paint('good', text));
}
