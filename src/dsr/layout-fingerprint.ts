/**
 * By what a program knows whether maps that another one has left can be its own: a number made of every structure, every
 * size and the order of the outcomes. Computed, so that nobody can forget to change it.
 */
import { createHash } from 'node:crypto';
import * as layout from './layout.js';

/**
 * To be raised when bytes come to mean something else though structures and sizes stay: a flag, a state, a byte order,
 * how reals are numbered.
 */
const LAYOUT_VERSION = 1;

/** 16 hexadecimal digits. How long the Maglev tables are has no part in it: they are written anew at each start. */
export function layoutFingerprint(size: layout.Dimensions): string {
  const { slots: _, ...maps } = layout.mapLayouts(size);
  const structures = [
    layout.vipKey,
    layout.vipValue,
    layout.prefixKey,
    layout.flowKey,
    layout.flowValue,
    layout.fragmentKey,
    layout.fragmentValue,
    layout.realValue,
    layout.trafficValue,
    layout.controlValue,
  ].map(({ name, field }) => [name, field]);
  const text = JSON.stringify([LAYOUT_VERSION, maps, structures, layout.OUTCOME_NAMES]);
  return createHash('sha256').update(text).digest('hex').slice(0, 16);
}
