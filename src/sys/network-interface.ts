/** Network interfaces by name. */
import { networkInterfaces } from 'node:os';
import { SystemError } from './errno.js';
import { check, libc } from './libc.js';
import { mapAnonymous, unmap } from './memory.js';
import {
  ARPHRD_ETHER,
  ETHTOOL_DRVINFO,
  ETHTOOL_GDRVINFO,
  IFREQ,
  SIOCETHTOOL,
  SIOCGIFHWADDR,
  SIOCGIFMTU,
} from './uapi/packet.js';
import { AF_INET, SOCK_CLOEXEC } from './uapi/socket.js';

const SOCK_DGRAM = 2;
/** In the memory of a question to a driver. */
const DRIVER_AT = 256;
const NAME_BYTES = 16;

/** The index of an interface in this thread's network namespace; throws a SystemError (ENODEV) if there is none. */
export function interfaceIndex(name: string): number {
  const index = libc().if_nametoindex(name);
  return index === 0 ? check(-1, 'find interface', name) : index;
}

/**
 * The MAC address of an interface, undefined if it is no Ethernet (elsewhere than on Linux, if it has no address either);
 * throws a SystemError (ENODEV).
 */
export function interfaceMac(name: string): Uint8Array | undefined {
  if (process.platform !== 'linux') return listedMac(name);
  return withAnswer(SIOCGIFHWADDR, name, 'ask for the MAC address of', (answer) => {
    const type = answer.getUint16(NAME_BYTES, true);
    const at = answer.byteOffset + IFREQ.hardwareAddress;
    return type === ARPHRD_ETHER ? new Uint8Array(answer.buffer, at, 6).slice() : undefined;
  });
}

/** The longest packet that an interface sends (Linux); throws a SystemError (ENODEV). */
export function interfaceMtu(name: string): number {
  return withAnswer(SIOCGIFMTU, name, 'ask for the MTU of', (answer) => answer.getInt32(NAME_BYTES, true));
}

/** Whose driver it has (Linux): `veth`, `virtio_net`; '' where there is none that tells. Throws a SystemError (ENODEV). */
export function interfaceDriver(name: string): string {
  const ask = (question: DataView, address: number) => {
    const pointer = address + DRIVER_AT;
    question.setUint32(NAME_BYTES, pointer % 2 ** 32, true);
    question.setUint32(NAME_BYTES + 4, Math.floor(pointer / 2 ** 32), true);
    question.setUint32(DRIVER_AT + ETHTOOL_DRVINFO.command, ETHTOOL_GDRVINFO, true);
  };
  const read = ({ buffer }: DataView) => {
    const text = Buffer.from(buffer, DRIVER_AT + ETHTOOL_DRVINFO.driver, 32).toString('latin1');
    return text.replace(/\0.*/s, '');
  };
  try {
    return withAnswer(SIOCETHTOOL, name, 'ask for the driver of', read, ask);
  } catch (error) {
    if (error instanceof SystemError && error.code === 'EOPNOTSUPP') return '';
    throw error;
  }
}

function listedMac(name: string): Uint8Array | undefined {
  interfaceIndex(name);
  const mac = networkInterfaces()[name]?.[0]?.mac;
  return mac === undefined || mac === '00:00:00:00:00:00'
    ? undefined
    : Uint8Array.from(Buffer.from(mac.replaceAll(':', ''), 'hex'));
}

/** Asks about an interface; `read` gets the struct ifreq of the answer, `ask` that of the question and where it lies. */
function withAnswer<T>(
  request: number,
  name: string,
  action: string,
  read: (answer: DataView) => T,
  ask: (question: DataView, address: number) => void = () => {},
): T {
  interfaceIndex(name);
  const memory = mapAnonymous(4096);
  const fd = check(libc().socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0), 'socket');
  try {
    const bytes = new Uint8Array(memory.buffer);
    bytes.set(new TextEncoder().encode(name).subarray(0, NAME_BYTES - 1), IFREQ.name);
    ask(new DataView(memory.buffer), memory.address);
    check(libc().ioctl(fd, request, memory.address), action, name);
    return read(new DataView(memory.buffer));
  } finally {
    libc().close(fd);
    unmap(memory);
  }
}
