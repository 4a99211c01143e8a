/**
 * Where lines go. A sink is given whole lines, one batch at a time, and says what has become of each batch; it never throws,
 * never keeps a caller waiting for long, and never asks for more than one batch.
 */

/** How a batch ended. `lost` lines are gone for good, for the reason in `cause`. */
export interface Written {
  readonly lost: number;
  /** An errno name such as `ENOSPC`; undefined if nothing was lost. */
  readonly cause: string | undefined;
}

export const ALL_WRITTEN: Written = { lost: 0, cause: undefined };

export interface Sink {
  /** For messages: `log file '/var/log/pen.log'`. */
  readonly name: string;
  /** Lines are for penlogd, which has a form of its own for those of pen. */
  readonly isPenlogd: boolean;
  /** How long to gather lines before a batch is written. */
  readonly delayMs: number;
  /** Writes `lines` lines, the first `length` bytes of `bytes`, which stay untouched until the promise resolves. */
  write(bytes: Uint8Array, length: number, lines: number): Promise<Written>;
  /** Opens the same place anew, between two batches: a file that was renamed is left, a host is looked up again. Throws, keeping the old. */
  reopen(): Promise<void>;
  /** A batch at hand no longer waits for a slow reader. */
  close(): Promise<void>;
}

/** The errno name of what was thrown, or its message. */
export function causeOf(error: unknown): string {
  return (error as NodeJS.ErrnoException).code ?? String((error as Error).message ?? error);
}
