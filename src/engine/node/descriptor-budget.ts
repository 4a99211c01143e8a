/**
 * How many descriptors the process may still open. libuv answers an exhausted table by accepting and closing
 * whoever waits, so the engine must stop before that: it counts what it opens itself, and looks at the whole
 * process (other threads, files) each time half of the room seen last has been used.
 */
import { readdirSync, readFileSync } from 'node:fs';

/** Left for the rest of the process: control connections, logs, a file to write. */
const RESERVE = 24;

export class DescriptorBudget {
  /** Descriptors that may be opened before the process is looked at again. */
  #allowance = 0;

  opened(): void {
    this.#allowance--;
  }

  closed(): void {
    this.#allowance++;
  }

  /** True if `wanted` more descriptors may be opened. */
  hasRoom(wanted: number): boolean {
    if (this.#allowance >= wanted) return true;
    const room = descriptorsLeft() - RESERVE;
    this.#allowance = Math.max(Math.floor(room / 2), Math.min(room, wanted));
    return this.#allowance >= wanted;
  }
}

/** Infinity where the system does not say (no /proc): then the kernel's own limit is met unprepared. */
function descriptorsLeft(): number {
  try {
    const limit = /^Max open files\s+(\d+)/m.exec(readFileSync('/proc/self/limits', 'latin1'))?.[1];
    return limit === undefined ? Infinity : Number(limit) - readdirSync('/proc/self/fd').length;
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    return code === 'EMFILE' || code === 'ENFILE' ? 0 : Infinity;
  }
}
