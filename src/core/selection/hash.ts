/**
 * Hash: the client's address decides (with `roundrobin` its port too), and goes on deciding the same when servers
 * come and go, restart or stand in another order: the table is made of what is configured, by endpoint. A server
 * that does not take the client keeps its slots; its clients hash again, and so spread over all others.
 */
import { formatEndpoint } from '../address.js';
import { NONE } from '../configuration.js';
import type { ServerTable } from '../server-table.js';
import { halfSipHash } from '../siphash.js';
import { maglevTable } from './maglev.js';
import type { Selector } from './selector.js';

/** Looks into the table before going through all servers: with half of them down, one client in 65,536 does. */
const LOOKS = 16;

/** Words of the key: the address, the port or 0, the number of the look. */
const PORT = 4;
const LOOK = 5;
const KEY_WORDS = 6;

export class Hash implements Selector {
  readonly name = 'hash';
  readonly #key = new Int32Array(KEY_WORDS);
  /** Maglev slot -> server slot. */
  #table = new Uint16Array(0);
  #builtFrom = '';

  configure(table: ServerTable): void {
    const servers = [...table.slots].map((slot) => {
      const { endpoint } = table.spec(slot);
      return { slot, text: endpoint ? formatEndpoint(endpoint) : '' };
    });
    const builtFrom = servers.map(({ slot, text }) => `${slot} ${text}`).join('\n');
    if (builtFrom === this.#builtFrom) return;
    this.#builtFrom = builtFrom;
    // In order of endpoint, so that balancers with the same servers agree, however they list them.
    servers.sort((a, b) => (a.text < b.text ? -1 : a.text > b.text ? 1 : a.slot - b.slot));
    const seen = new Map<string, number>();
    const members = servers.map(({ text }) => {
      const times = (seen.get(text) ?? 0) + 1;
      seen.set(text, times);
      return { name: times === 1 ? text : `${text} ${times}`, weight: 1 };
    });
    this.#table = maglevTable(members).map((member) => servers[member].slot);
  }

  select(table: ServerTable, address: ArrayLike<number>, port: number, isUnix: boolean, nowMs: number): number {
    const key = this.#key;
    const { roundRobin, stubborn } = table.settings;
    const { slots } = table;
    if (slots.length === 0) return NONE;
    for (let i = 0; i < 4; i++) key[i] = address[i];
    key[PORT] = roundRobin ? port : 0;
    for (let look = 0; look < LOOKS; look++) {
      const slot = this.#table[this.#hash(look) % this.#table.length];
      if (table.takes(slot, address, isUnix, false, nowMs)) return slot;
      // `stubborn` is to have the server of its hash or none.
      if (stubborn) return NONE;
    }
    const start = this.#hash(LOOKS) % slots.length;
    for (let i = 0; i < slots.length; i++) {
      const slot = slots[(start + i) % slots.length];
      if (table.takes(slot, address, isUnix, false, nowMs)) return slot;
    }
    return NONE;
  }

  /** The key is fixed: each start, each thread and each balancer is to come to the same server. */
  #hash(look: number): number {
    this.#key[LOOK] = look;
    return halfSipHash(this.#key, KEY_WORDS, 0, 0);
  }
}
