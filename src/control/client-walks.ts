/**
 * Walks over the whole client table, which may hold a million: one at a time, in pieces between which others have their turn,
 * and no more of them waiting than somebody will still want to see the end of.
 */
import { formatIp } from '../core/address.js';
import type { ClientRecord, ClientTable } from '../core/client-table.js';
import { CommandError } from './errors.js';
import { pause } from './piecemeal.js';

/** Clients looked at between two turns of the event loop: about 2 ms. */
const PIECE = 2048;
/** Those that wait, the one under way not counted. */
const MAX_WAITING = 8;

export class ClientWalks {
  #waiting = 0;
  #last: Promise<unknown> = Promise.resolve();

  /** Those whose address contains `text`, `limit` at most, most recent first. Throws CommandError if too many ask. */
  find(table: ClientTable, text: string, limit: number): Promise<ClientRecord[]> {
    return this.#inTurn(async () => {
      const found: ClientRecord[] = [];
      for (let start = 0; start < table.size() && found.length < limit; start += PIECE) {
        for (const record of table.slice(start, PIECE)) {
          if (formatIp(record.address).includes(text)) found.push(record);
        }
        await pause();
      }
      return found.sort((a, b) => b.lastSeenMs - a.lastSeenMs).slice(0, limit);
    });
  }

  /** `line` of each of those seen at or after that time, most recent first. Throws CommandError if too many ask. */
  describeRecent(table: ClientTable, sinceMs: number, line: (record: ClientRecord) => string): Promise<string> {
    return this.#inTurn(async () => {
      const slots = table.recentSlots(sinceMs);
      let text = '';
      for (let start = 0; start < slots.length; start += PIECE) {
        for (const slot of slots.subarray(start, start + PIECE)) {
          const record = table.at(slot);
          // Whoever has come into the slot meanwhile was seen since, too.
          if (record) text += line(record);
        }
        await pause();
      }
      return text;
    });
  }

  async #inTurn<T>(walk: () => Promise<T>): Promise<T> {
    if (this.#waiting > MAX_WAITING) throw new CommandError('others are looking through the clients (try again)');
    this.#waiting += 1;
    const turn = this.#last.then(walk).finally(() => {
      this.#waiting -= 1;
    });
    this.#last = turn.catch(() => {});
    return turn;
  }
}
