/**
 * This host's own addresses as its kernel has them (RTM_GETADDR). `os.networkInterfaces` leaves out those of interfaces
 * whose cable is out, which are the host's all the same: it answers for them at every other interface.
 */
import { networkInterfaces } from 'node:os';
import { type IpWords, parseIp } from '../core/address.js';
import { SystemError } from './errno.js';
import { attributes, encodeMessages, NetlinkSocket } from './netlink.js';
import { interfaceIndex } from './network-interface.js';
import * as uapi from './uapi/netlink.js';

/** The kernel fills at most so much in one go. */
const ROOM = 32_768;
const ACTION = 'ask for addresses';

/** Of all interfaces, or of the one of that name. Throws a SystemError (ENODEV). */
export function ownAddresses(interfaceName?: string): IpWords[] {
  if (process.platform !== 'linux') return listed(interfaceName);
  const wanted = interfaceName === undefined ? undefined : interfaceIndex(interfaceName);
  const socket = new NetlinkSocket(uapi.NETLINK_ROUTE, ROOM);
  try {
    const body = new Uint8Array(uapi.IFADDRMSG.bytes);
    socket.send(encodeMessages([{ type: uapi.RTM_GETADDR, flags: uapi.NLM_F_DUMP, sequence: 0, body }]), ACTION);
    const found: IpWords[] = [];
    while (takeAddresses(socket.receive(ACTION), wanted, found)) {}
    return found;
  } finally {
    socket.close();
  }
}

/** False once the last message has come. */
function takeAddresses(answer: DataView, wanted: number | undefined, found: IpWords[]): boolean {
  for (let at = 0; at + uapi.NLMSGHDR.bytes <= answer.byteLength; ) {
    const length = answer.getUint32(at + uapi.NLMSGHDR.length, true);
    const type = answer.getUint16(at + uapi.NLMSGHDR.type, true);
    if (type === uapi.NLMSG_DONE || length < uapi.NLMSGHDR.bytes) return false;
    if (type === uapi.NLMSG_ERROR) throw new SystemError(ACTION, -answer.getInt32(at + uapi.NLMSGHDR.bytes, true));
    const bodyAt = at + uapi.NLMSGHDR.bytes;
    const isWanted = wanted === undefined || answer.getUint32(bodyAt + uapi.IFADDRMSG.index, true) === wanted;
    if (type === uapi.RTM_NEWADDR && isWanted) {
      const all = attributes(answer, bodyAt + uapi.IFADDRMSG.bytes, at + length);
      const address = wordsOf(all.get(uapi.IFA_LOCAL) ?? all.get(uapi.IFA_ADDRESS));
      if (address) found.push(address);
    }
    at += Math.ceil(length / 4) * 4;
  }
  return true;
}

function wordsOf(bytes: DataView | undefined): IpWords | undefined {
  if (bytes?.byteLength === 4) return [0, 0, 0xffff, bytes.getInt32(0)];
  if (bytes?.byteLength !== 16) return undefined;
  return [bytes.getInt32(0), bytes.getInt32(4), bytes.getInt32(8), bytes.getInt32(12)];
}

function listed(interfaceName: string | undefined): IpWords[] {
  const byName = networkInterfaces();
  const lists = interfaceName === undefined ? Object.values(byName) : [byName[interfaceName]];
  const all = lists.flatMap((addresses) => addresses ?? []);
  return all.map(({ address }) => parseIp(address.replace(/%.*/, ''))).filter((words) => words !== undefined);
}
