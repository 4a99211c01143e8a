/**
 * Which server stands in a slot: a number that changes whenever another one does, so that whoever came to a server can
 * tell whether it is still there.
 */
import { formatEndpoint } from '../core/address.js';
import { ABUSE_SLOT, type Configuration, EMERGENCY_SLOT, MAX_SERVERS, type ServerSpec } from '../core/configuration.js';

export class ServerEpochs {
  readonly #epochs = new Int32Array(MAX_SERVERS + 2);
  readonly #texts = new Map<number, string>();

  configure({ servers, emergency, abuse }: Configuration): void {
    // Slots that the table has lost count as emptied.
    const last = Math.max(servers.length, ...[...this.#texts.keys()].filter((slot) => slot < MAX_SERVERS));
    for (let slot = 0; slot <= Math.min(last, MAX_SERVERS - 1); slot++) this.#note(slot, servers[slot]);
    this.#note(EMERGENCY_SLOT, emergency);
    this.#note(ABUSE_SLOT, abuse);
  }

  of(slot: number): number {
    return this.#epochs[slot];
  }

  #note(slot: number, spec: ServerSpec | undefined): void {
    const text = spec?.endpoint === undefined ? '' : formatEndpoint(spec.endpoint);
    if (text === (this.#texts.get(slot) ?? '')) return;
    this.#texts.set(slot, text);
    this.#epochs[slot]++;
  }
}
