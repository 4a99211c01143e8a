/** What a format of lines is, and the parts that the formats share. */
import type { LogFormat } from '../core/configuration.js';
import { clfLines } from './clf-format.js';
import { jsonLines } from './json-format.js';
import type { LineBuffer } from './line-buffer.js';
import type { LogRing } from './log-ring.js';
import { penLines } from './pen-format.js';

/** What a format needs beside the record. */
export interface Surroundings {
  /** What to add to the monotonic clock to get milliseconds since 1970. */
  readonly wallShiftMs: number;
  /** The path of the Unix socket that the server in a slot has. */
  serverPath(slot: number): string;
}

/** Writes the record at word `at` as one line, or none if the format has none for it. */
export type WriteLine = (line: LineBuffer, ring: LogRing, at: number, surroundings: Surroundings) => void;

/** A writer of lines; `forPenlogd`: in C Pen's form for penlogd instead of the one for files. */
export function linesOf(format: LogFormat, forPenlogd: boolean): WriteLine {
  if (format === 'json') return jsonLines();
  if (format === 'clf') return clfLines();
  return penLines(forPenlogd);
}
