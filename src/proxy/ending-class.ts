/** The log tells eleven endings of a connection apart; the counters of a server put them into four classes. */
import { ENDINGS as CLASSES, type Ending as Class } from '../core/meters.js';
import type { Ending } from '../weblog/record.js';

const CLASS: { readonly [E in Ending]: Class } = {
  client: 'closed',
  server: 'closed',
  answered: 'closed',
  // These never came to a server, or pen answered in its place.
  no_server: 'closed',
  denied: 'closed',
  refused: 'closed',
  client_reset: 'broken',
  server_reset: 'broken',
  shortage: 'broken',
  idle: 'idle',
  ordered: 'ordered',
};

/** The index in ENDINGS of core/meters. */
export function endingClass(how: Ending): number {
  return CLASSES.indexOf(CLASS[how]);
}
