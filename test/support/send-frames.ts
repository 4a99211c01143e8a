/** `node send-frames.js INTERFACE` sends the frames of the capture file on its standard input, as they are. */
import { readFileSync } from 'node:fs';
import { readPcap } from '../../src/frame/pcap.js';
import { PacketSocket } from '../../src/sys/packet-socket.js';
import { ETH_P_ARP } from '../../src/sys/uapi/packet.js';

const [interfaceName = ''] = process.argv.slice(2);
const socket = new PacketSocket({ interfaceName, etherType: ETH_P_ARP });
for (const { frame } of readPcap(readFileSync(0))) {
  if (!socket.send(frame)) throw new Error(`cannot send a frame of ${frame.length} bytes on '${interfaceName}'`);
}
socket.close();
