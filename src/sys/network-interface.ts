/** Network interfaces by name. */
import { check, libc } from './libc.js';
import { mapAnonymous, unmap } from './memory.js';
import { ARPHRD_ETHER, IFREQ, SIOCGIFHWADDR } from './uapi/packet.js';
import { AF_INET, SOCK_CLOEXEC } from './uapi/socket.js';

const SOCK_DGRAM = 2;
const NAME_BYTES = 16;

/** The index of an interface in this thread's network namespace; throws a SystemError (ENODEV) if there is none. */
export function interfaceIndex(name: string): number {
  const index = libc().if_nametoindex(name);
  return index === 0 ? check(-1, 'find interface', name) : index;
}

/** The MAC address of an interface (Linux), undefined if it is no Ethernet; throws a SystemError (ENODEV). */
export function interfaceMac(name: string): Uint8Array | undefined {
  interfaceIndex(name);
  const memory = mapAnonymous(4096);
  const bytes = new Uint8Array(memory.buffer);
  const fd = check(libc().socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0), 'socket');
  try {
    bytes.set(new TextEncoder().encode(name).subarray(0, NAME_BYTES - 1), IFREQ.name);
    check(libc().ioctl(fd, SIOCGIFHWADDR, memory.address), 'ask for the MAC address of', name);
    const type = new DataView(memory.buffer).getUint16(NAME_BYTES, true);
    return type === ARPHRD_ETHER ? bytes.slice(IFREQ.hardwareAddress, IFREQ.hardwareAddress + 6) : undefined;
  } finally {
    libc().close(fd);
    unmap(memory);
  }
}
