/**
 * mergelogs at work: the logs of web servers become one, in the order of time, with the clients' addresses from pen's log.
 * Files are read side by side, once, and of pen's log only what lies within the jitter of the line at hand is in memory,
 * and so many lines that are ahead of it.
 */
import { createReadStream } from 'node:fs';
import type { Readable } from 'node:stream';
import { createGunzip } from 'node:zlib';
import { linesFrom } from './lines.js';
import { MAX_LINE_CHARACTERS, type PenLine, parsePenFileLine, parseWebLine, shown, type WebLine } from './log-line.js';
import { RequestWindow } from './request-window.js';
import { TimeQueue } from './time-queue.js';

/**
 * Lines of pen's log that are put aside because they are ahead of the web servers' time: were reading to stop at the
 * first, one that was written while the clock was wrong would hide the clients of all lines behind it.
 */
const MOST_AHEAD = 10_000;

export interface WebLog {
  /** The address as pen has it. */
  readonly server: string;
  readonly path: string;
}

export interface LogMergeOptions {
  readonly penLog: string;
  readonly webLogs: readonly WebLog[];
  /** By how much the clocks of pen and of web servers may differ, seconds; Infinity: the whole of pen's log counts. */
  readonly jitterSec: number;
  /** What pen's clock is ahead of UTC, seconds. */
  readonly shiftSec: number;
  debug(level: number, text: string): void;
}

/** What became of the lines. */
export interface LogMergeResult {
  readonly lines: number;
  /** Lines without a client in pen's log: they have the server's address. */
  readonly unmatched: number;
  /** Lines that no web server writes: they are left out. */
  readonly malformed: number;
  /** Lines of pen's log that were looked at, and those that are none of pen's. */
  readonly penLines: number;
  readonly penMalformed: number;
}

/** Writes each line with `write`, which may make it wait. Rejects with what open(2) or read(2) say. */
export async function mergeLogs(
  options: LogMergeOptions,
  write: (line: string) => Promise<void> | undefined,
): Promise<LogMergeResult> {
  const { jitterSec, shiftSec, debug } = options;
  const requests = new RequestWindow(jitterSec);
  const pen = new Cursor(readLines(options.penLog), (line) => {
    const parsed = parsePenFileLine(line);
    return parsed && { ...parsed, timeSec: (parsed.timeSec ?? 0) - shiftSec };
  });
  const logs = options.webLogs.map(({ server, path }) => ({
    server,
    cursor: new Cursor(readLines(path), parseWebLine),
  }));
  await Promise.all([pen.advance(), ...logs.map(({ cursor }) => cursor.advance())]);
  const ahead = new TimeQueue<Timed>();
  const known = ({ server, request, client, timeSec }: Timed) => requests.add(`${server} ${request}`, client, timeSec);
  let lines = 0;
  let unmatched = 0;
  for (let log = earliest(logs); log !== undefined; log = earliest(logs)) {
    const line = log.cursor.current as WebLine;
    const timeSec = log.cursor.timeSec;
    const untilSec = timeSec + jitterSec;
    for (let next = ahead.takeUntil(untilSec); next !== undefined; next = ahead.takeUntil(untilSec)) known(next);
    while (pen.current !== undefined && ahead.length < MOST_AHEAD) {
      const line = { ...pen.current, timeSec: pen.timeSec };
      if (pen.timeSec <= untilSec) known(line);
      else ahead.add(line);
      await pen.advance();
    }
    requests.forgetBefore(timeSec - jitterSec);
    const client = requests.take(`${log.server} ${line.request}`);
    if (client === undefined) {
      unmatched++;
      debug(1, `no client for: ${log.server}${shown(line.rest)}`);
    }
    lines++;
    await write(shown((client ?? log.server) + line.rest));
    await log.cursor.advance();
  }
  const malformed = logs.reduce((sum, { cursor }) => sum + cursor.malformed, 0);
  debug(1, `${pen.malformed} lines of ${options.penLog} are none of pen's`);
  return { lines, unmatched, malformed, penLines: pen.lines, penMalformed: pen.malformed };
}

interface Timed extends PenLine {
  readonly timeSec: number;
}

interface Stamped {
  readonly timeSec: number | undefined;
}

/** One file, a line at a time. */
class Cursor<T extends Stamped> {
  /** The line at hand, undefined at the end of the file. */
  current: T | undefined;
  /** Its time; lines without one have that of the line before. */
  timeSec = 0;
  lines = 0;
  malformed = 0;
  readonly #lines: AsyncGenerator<string>;
  readonly #parse: (line: string) => T | undefined;

  constructor(lines: AsyncGenerator<string>, parse: (line: string) => T | undefined) {
    this.#lines = lines;
    this.#parse = parse;
  }

  async advance(): Promise<void> {
    for (let next = await this.#lines.next(); !next.done; next = await this.#lines.next()) {
      this.lines++;
      this.current = this.#parse(next.value);
      if (this.current !== undefined) {
        this.timeSec = this.current.timeSec ?? this.timeSec;
        return;
      }
      this.malformed++;
    }
    this.current = undefined;
  }
}

function earliest<L extends { readonly cursor: Cursor<WebLine> }>(logs: readonly L[]): L | undefined {
  let first: L | undefined;
  for (const log of logs) {
    if (log.cursor.current === undefined) continue;
    if (first === undefined || log.cursor.timeSec < first.cursor.timeSec) first = log;
  }
  return first;
}

function readLines(path: string): AsyncGenerator<string> {
  return linesFrom(opened(path), MAX_LINE_CHARACTERS);
}

/** As logrotate leaves files: those whose names end in .gz are read as what is in them. Errors name the path. */
function opened(path: string): Readable {
  const file = createReadStream(path);
  if (!path.endsWith('.gz')) return file;
  const text = createGunzip();
  text.once('error', (error) => Object.assign(error, { path }));
  return file.once('error', (error) => text.destroy(error)).pipe(text);
}
