/** Which certificate stands for a name. */
import type { Identity, TicketKey } from '../core/tls-plan.js';

const TICKET_NAME_BYTES = 16;

/** The identity for a name, by itself or by a wildcard for its first label (RFC 6125, 6.4.3). */
export function findIdentity(names: ReadonlyMap<string, Identity>, name: string): Identity | undefined {
  const exact = names.get(name);
  if (exact !== undefined) return exact;
  const dot = name.indexOf('.');
  return dot <= 0 ? undefined : names.get(`*${name.slice(dot)}`);
}

/** Whether a ticket that begins with `name` has been sealed with that key. */
export function isSealedBy(key: TicketKey, name: Uint8Array): boolean {
  for (let i = 0; i < TICKET_NAME_BYTES; i++) if (key[i] !== name[i]) return false;
  return true;
}

/** RFC 7301: the first of ours that is in the client's list of names, each preceded by its length; -1 = none is. */
export function chosenProtocol(ours: readonly string[], offered: Uint8Array | undefined): number {
  return offered === undefined ? -1 : ours.findIndex((name) => offers(offered, name));
}

function offers(list: Uint8Array, name: string): boolean {
  for (let at = 0; at < list.length; ) {
    const length = list[at] as number;
    if (length === name.length && at + 1 + length <= list.length) {
      let i = 0;
      while (i < length && list[at + 1 + i] === name.charCodeAt(i)) i++;
      if (i === length) return true;
    }
    at += 1 + length;
  }
  return false;
}
