/** `mergelogs -p PENLOG [options] SERVER:FILE...`: what penlogd does, afterwards and on files. */
import { canonicalAddress } from '../weblog/log-line.js';
import { type LogMergeResult, mergeLogs, type WebLog } from '../weblog/log-merge.js';
import { causeOf } from '../weblog/sink.js';
import { StartError, UsageError } from './errors.js';
import { integerValue, type ShortOptions } from './short-options.js';
import { runSmallProgram } from './small-program.js';

const USAGE = `usage: mergelogs -p PENLOG [options] SERVER:FILE...

Writes the logs of web servers as one to standard output, in the order of time,
with the addresses of the clients, which it finds in the log of pen. A line whose
client is not there gets the address of its server.

  -p PENLOG   the file that pen has logged to (pen -l PENLOG)
  -c          search all of PENLOG for each line, whatever the times; takes memory
  -d          tell of lines without a client; twice: of lines that are none, too
  -j SECONDS  by how much clocks may differ (600)
  -t SECONDS  what the clock of pen is ahead of UTC (0)
  SERVER      the address that pen has for this web server; IPv6 in brackets
`;

const MAX_SECONDS = 2_147_483_647;

export function main(argv: readonly string[]): Promise<void> {
  return runSmallProgram({ name: 'mergelogs', usage: USAGE, flags: 'cdj:p:t:', run }, argv);
}

async function run(options: ShortOptions): Promise<void> {
  const penLog = options.value('p');
  if (penLog === undefined) throw new UsageError('expected -p PENLOG (see --help)');
  if (options.operands.length === 0) throw new UsageError('expected SERVER:FILE (see --help)');
  const jitterSec = integerValue(options, 'j', { min: 0, max: MAX_SECONDS, fallback: 600 });
  const out = new Output();
  const debugLevel = options.count('d');
  const result = await mergeLogs(
    {
      penLog,
      webLogs: options.operands.map(parseWebLog),
      jitterSec: options.count('c') > 0 ? Number.POSITIVE_INFINITY : jitterSec,
      shiftSec: integerValue(options, 't', { min: -MAX_SECONDS, max: MAX_SECONDS, fallback: 0 }),
      debug: (level, text) => {
        if (level <= debugLevel) process.stderr.write(`mergelogs: ${text}\n`);
      },
    },
    (line) => out.write(line),
  ).catch((error: NodeJS.ErrnoException) => {
    throw new StartError(`cannot read '${error.path ?? penLog}': ${causeOf(error)}`);
  });
  await out.end();
  for (const line of remarks(penLog, result)) process.stderr.write(`mergelogs: ${line}\n`);
}

/** What has not gone as somebody hoped who sees the status 0. */
function remarks(penLog: string, { lines, unmatched, malformed, penLines, penMalformed }: LogMergeResult): string[] {
  const found: string[] = [];
  if (malformed > 0) found.push(`${malformed} lines left out, no web server writes them so`);
  if (penLines > 0 && penLines === penMalformed) found.push(`'${penLog}' has no line as 'log_format pen' writes them`);
  else if (unmatched > 0) {
    found.push(
      `${unmatched} of ${lines} lines have no client in '${penLog}' (clocks that jumped: -c; another zone: -t)`,
    );
  }
  return found;
}

function parseWebLog(text: string): WebLog {
  const match = /^(?:\[([^\]]+)\]|([^:[\]]+)):(.+)$/s.exec(text);
  if (match === null) throw new UsageError(`'${text}' is not SERVER:FILE (an IPv6 address in brackets)`);
  return { server: canonicalAddress(match[1] ?? match[2]), path: match[3] };
}

/** Standard output in large pieces. */
class Output {
  #text: string[] = [];

  write(line: string): Promise<void> | undefined {
    this.#text.push(line);
    return this.#text.length < 1000 ? undefined : this.end();
  }

  async end(): Promise<void> {
    if (this.#text.length === 0) return;
    const text = `${this.#text.join('\n')}\n`;
    this.#text = [];
    await new Promise<void>((resolve, reject) => {
      process.stdout.write(text, (error) => (error ? reject(error) : resolve()));
    });
  }
}
