/** A writer on a thread of its own: as many records as it is told, trying again where there is no room. */
import { workerData } from 'node:worker_threads';
import { LogRing, type LogRingMemory } from './log-ring.js';
import { headOf, KIND } from './record.js';

const { memory, total } = workerData as { memory: LogRingMemory; total: number };
const ring = new LogRing(memory);
for (let serial = 0; serial < total; ) {
  const words = 14 + 2 * (serial % 9);
  const at = ring.claim(words);
  if (at < 0) continue;
  ring.words[at] = headOf(words, KIND.request, 0, 0, 0);
  ring.words[at + 13] = serial++;
  ring.publish();
}
