/** The thread of a ring: it blocks until frames have come or the control plane has something to say. */
import { isMainThread, parentPort, receiveMessageOnPort, workerData } from 'node:worker_threads';
import { viewMemory } from '../../sys/memory.js';
import { PacketRingKernel } from '../../sys/open-packet-ring.js';
import { PacketRing } from '../../sys/packet-ring.js';
import { Decision } from '../decision.js';
import { MemoryTables } from '../memory-tables.js';
import { decideAll } from './frame-loop.js';
import type { RingStart, ToRing } from './messages.js';
import { PacketFrames } from './packet-frames.js';
import { applyWrites } from './ring-tables.js';

if (isMainThread || parentPort === null) throw new Error('dsr/ring/worker.js runs as a worker thread only');
const port = parentPort;
const { ring, mtu, wake, size, memory, counts } = workerData as RingStart;

const { address, geometry } = ring;
const kernel = new PacketRingKernel(ring, wake);
const packets = new PacketRing(viewMemory(address, geometry.longAt + geometry.longBytes), geometry, kernel);
const frames = new PacketFrames(packets, mtu);
const tables = new MemoryTables(size, memory);
const decision = new Decision(tables);
const counted = new Float64Array(counts);

while (readMail()) {
  decideAll(frames, decision);
  frames.count(counted);
  frames.wait();
}
kernel.close();
port.close();

/** False if this is the end. */
function readMail(): boolean {
  for (let mail = receiveMessageOnPort(port); mail; mail = receiveMessageOnPort(port)) {
    const message = mail.message as ToRing;
    if (message.type === 'stop') return false;
    applyWrites(tables, message.writes);
  }
  return true;
}
