/** How many pages of slots there are for the tables of all services; fixed while Pen runs. */
import { DsrError } from './errors.js';
import { type Dimensions, defaultDimensions, PAGE_BYTES } from './layout.js';

/** Room for twice as much: services may be added while we run. */
export function pagesToMake(needed: number): number {
  return Math.max(defaultDimensions.pages, 2 ** Math.ceil(Math.log2(2 * needed)));
}

/** Throws a DsrError if so many pages cannot be had for certain, wherever the gaps are. */
export function requireRoom(needed: number, { pages }: Dimensions): void {
  const room = Math.floor(0.75 * pages);
  if (needed <= room) return;
  const kilobytes = (count: number) => Math.ceil((count * PAGE_BYTES) / 1024);
  throw new DsrError(
    `no room for the tables of all services: ${kilobytes(needed)} KB of ${kilobytes(room)} (start pen again: it makes room for twice what it finds)`,
  );
}
