/** The thread of a ring: it blocks until frames have come or the control plane has something to say. */
import { isMainThread, parentPort, receiveMessageOnPort, workerData } from 'node:worker_threads';
import { viewMemory } from '../../sys/memory.js';
import { NetmapPort } from '../../sys/netmap-port.js';
import { NetmapEar, type OpenNetmap } from '../../sys/open-netmap.js';
import { type OpenPacketRing, PacketRingKernel } from '../../sys/open-packet-ring.js';
import { PacketRing } from '../../sys/packet-ring.js';
import { Decision } from '../decision.js';
import { MemoryTables } from '../memory-tables.js';
import { decideAll } from './frame-loop.js';
import type { FrameRing } from './frame-ring.js';
import type { FromRing, RingStart, ToRing } from './messages.js';
import { NetmapFrames } from './netmap-frames.js';
import { PacketFrames } from './packet-frames.js';
import { applyWrites } from './ring-tables.js';
import { isAnswer } from './worker-link.js';

if (isMainThread || parentPort === null) throw new Error('dsr/ring/worker.js runs as a worker thread only');
const port = parentPort;
const { open, wake, size, memory, others, counts } = workerData as RingStart;

interface Ring {
  readonly frames: FrameRing;
  send(frame: Uint8Array): void;
  readonly passes?: (frame: Uint8Array, length: number) => void;
  close(): void;
}

const ring = open.kind === 'packet' ? packetRing(open.ring, open.mtu) : netmapRing(open.port);
const tables = new MemoryTables(size, memory, { others });
const decision = new Decision(tables);
const counted = new Float64Array(counts);

while (readMail()) {
  decideAll(ring.frames, decision, ring.passes);
  ring.frames.count(counted);
  ring.frames.wait();
}
ring.close();
port.close();

function packetRing(memoryOf: OpenPacketRing, mtu: number): Ring {
  const { address, geometry } = memoryOf;
  const kernel = new PacketRingKernel(memoryOf, wake);
  const packets = new PacketRing(viewMemory(address, geometry.longAt + geometry.longBytes), geometry, kernel);
  return { frames: new PacketFrames(packets, mtu), send() {}, close: () => kernel.close() };
}

function netmapRing(memoryOf: OpenNetmap): Ring {
  const kernel = new NetmapEar(memoryOf, wake);
  const netmap = new NetmapPort(viewMemory(memoryOf.address, memoryOf.bytes), memoryOf.interfaceAt, kernel);
  return {
    frames: new NetmapFrames(netmap),
    send: (frame) => netmap.send(frame),
    passes: (frame, length) => {
      if (isAnswer(frame, length))
        port.postMessage({ type: 'answer', frame: frame.slice(0, length) } satisfies FromRing);
    },
    close: () => kernel.close(),
  };
}

/** False if this is the end. */
function readMail(): boolean {
  for (let mail = receiveMessageOnPort(port); mail; mail = receiveMessageOnPort(port)) {
    const message = mail.message as ToRing;
    if (message.type === 'stop') return false;
    if (message.type === 'send') ring.send(message.frame);
    else applyWrites(tables, message.writes);
  }
  return true;
}
