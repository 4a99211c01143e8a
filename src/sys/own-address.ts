/**
 * This host's own addresses as its kernel has them (RTM_GETADDR). `os.networkInterfaces` leaves out those of interfaces
 * whose cable is out, which are the host's all the same: it answers for them at every other interface.
 */
import { networkInterfaces } from 'node:os';
import { type IpWords, parseIp } from '../core/address.js';
import { SystemError } from './errno.js';
import { check, lastErrno, libc } from './libc.js';
import { mapAnonymous, unmap } from './memory.js';
import { interfaceIndex } from './network-interface.js';
import { attributes } from './route.js';
import * as uapi from './uapi/netlink.js';
import { SOCK_CLOEXEC } from './uapi/socket.js';

/** The kernel fills at most so much in one go. */
const ROOM = 32_768;

/** Of all interfaces, or of the one of that name. Throws a SystemError (ENODEV). */
export function ownAddresses(interfaceName?: string): IpWords[] {
  if (process.platform !== 'linux') return listed(interfaceName);
  const wanted = interfaceName === undefined ? undefined : interfaceIndex(interfaceName);
  const fd = check(
    libc().socket(uapi.AF_NETLINK, uapi.SOCK_RAW | SOCK_CLOEXEC, uapi.NETLINK_ROUTE),
    'open a netlink socket',
  );
  const memory = mapAnonymous(ROOM);
  try {
    const view = new DataView(memory.buffer);
    const length = uapi.NLMSGHDR.bytes + uapi.IFADDRMSG.bytes;
    view.setUint32(uapi.NLMSGHDR.length, length, true);
    view.setUint16(uapi.NLMSGHDR.type, uapi.RTM_GETADDR, true);
    view.setUint16(uapi.NLMSGHDR.flags, uapi.NLM_F_REQUEST | uapi.NLM_F_DUMP, true);
    check(libc().send(fd, memory.address, length, 0), 'ask for addresses');
    const found: IpWords[] = [];
    for (;;) {
      const received = libc().recv(fd, memory.address, ROOM, 0);
      if (received < 0) throw new SystemError('ask for addresses', lastErrno());
      if (!takeAddresses(new DataView(memory.buffer, 0, received), wanted, found)) return found;
    }
  } finally {
    libc().close(fd);
    unmap(memory);
  }
}

/** False once the last message has come. */
function takeAddresses(answer: DataView, wanted: number | undefined, found: IpWords[]): boolean {
  for (let at = 0; at + uapi.NLMSGHDR.bytes <= answer.byteLength; ) {
    const length = answer.getUint32(at + uapi.NLMSGHDR.length, true);
    const type = answer.getUint16(at + uapi.NLMSGHDR.type, true);
    if (type === uapi.NLMSG_DONE || length < uapi.NLMSGHDR.bytes) return false;
    if (type === uapi.NLMSG_ERROR)
      throw new SystemError('ask for addresses', -answer.getInt32(at + uapi.NLMSGHDR.bytes, true));
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
