/** The rings with a simulated kernel behind them. */
import { SimulatedNetmapKernel } from '../../sys/netmap-port.suite.js';
import { SimulatedPacketKernel } from '../../sys/packet-ring.suite.js';
import { NetmapFrames } from './netmap-frames.js';
import { PacketFrames } from './packet-frames.js';
import type { RingStage } from './ring.suite.js';

/** The longest fixture is no frame of an ordinary Ethernet. */
const JUMBO_MTU = 3000;

export function packetStage(): RingStage {
  const kernel = new SimulatedPacketKernel();
  return {
    ring: new PacketFrames(kernel.ring, JUMBO_MTU),
    receive: (frame) => void kernel.receive([{ frame }]),
    sent: () => kernel.sent.splice(0),
  };
}

export function netmapStage(): RingStage {
  const kernel = new SimulatedNetmapKernel();
  return {
    ring: new NetmapFrames(kernel.port),
    receive: (frame) => void kernel.receive(frame),
    sent: () => {
      kernel.wait();
      return kernel.sent.splice(0);
    },
  };
}
