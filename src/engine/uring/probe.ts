/** Does io_uring work here? A small ring with a buffer ring, made and thrown away. */
import { BufferRing } from './buffer-ring.js';
import { Ring } from './ring.js';

/** Throws the SystemError that an engine would meet: EPERM (forbidden), ENOSYS (missing or too old), ENOMEM (memlock). */
export function probe(): void {
  const ring = new Ring(8);
  try {
    new BufferRing(ring, { group: 0, bufferBytes: 4096, chunk: 1, limit: 1 }).close();
  } finally {
    ring.close();
  }
}
