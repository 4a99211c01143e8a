/** Tables with one VIP for IPv4 and one for IPv6, any UDP port, in front of any number of servers. */
import { address as addresses, tables as bpfTables, frame, layout, record } from './product.js';

const { addressBytes, controlValueOf, prefixKeyOf, prefixVipKeyOf, realValueOf, vipKeyOf, vipValueOf } = record;
const { defaultDimensions } = layout;

/** Of the program: all but what few setups have. */
export const OPTIONS = {
  ipv4: true,
  ipv6: true,
  vlan: true,
  acl: false,
  tunnels: false,
  prefixes: false,
  tarpit: false,
};

export const OWN_MAC = Uint8Array.of(2, 0, 0, 0, 0, 1);
const CLIENT_MAC = Uint8Array.of(2, 0, 0, 0, 0, 0x99);
const UDP = 17;
const PORT = 53;
export const VIPS = { ipv4: '10.9.0.100', ipv6: 'fd09::100' };

/** @param {string} text */
function ip(text) {
  const words = addresses.parseIp(text);
  if (!words) throw new Error(`no address: ${text}`);
  return words;
}

/** @param {number} servers */
export function scene(servers) {
  const slots = servers > 655 ? 655_373 : 65_537;
  // Room for the tables of `manyServices`.
  const size = { ...defaultDimensions, pages: 8192 };
  const tables = new bpfTables.BpfTables(bpfTables.createMaps(size), size);
  tables.setControl(controlValueOf({ mac: OWN_MAC, seed: 1, epoch: 1 }));
  // Their MAC address is ours, so that a frame that was sent on comes back to us in the next round.
  for (let real = 1; real <= servers; real++)
    tables.setReal(real, realValueOf({ mac: OWN_MAC, state: 3, generation: 1, vip: 0, address: ip('10.9.0.21') }));
  for (const [index, family] of /** @type {const} */ ([
    [0, 4],
    [1, 6],
  ])) {
    const address = ip(family === 4 ? VIPS.ipv4 : VIPS.ipv6);
    for (const [port, protocol] of [
      [PORT, UDP],
      [0, UDP],
      [0, 0],
    ])
      tables.setVip(vipKeyOf(address, family, port, protocol), vipValueOf({ index, flags: 0, acl: 0 }));
    // The order does not matter for the time, the spread does.
    tables.setSlots(
      index,
      Uint16Array.from({ length: slots }, (_, slot) => 1 + ((slot * 7919) % servers)),
    );
  }
  return tables;
}

/** Any address of it is a VIP, in `manyServices`. */
export const IN_PREFIX = '10.21.7.7';

/**
 * So many services for UDP, at 10.20.0.0, 10.20.1.0 and so on, of one server each; and one that is a prefix.
 * @param {number} services a power of two
 */
export function manyServices(services) {
  const tables = scene(1);
  const key = (/** @type {number} */ i) => ip(`10.20.${i & 255}.${i >> 8}`);
  const slots = new Uint16Array(1009).fill(1);
  for (let i = 0; i < services; i++) {
    const value = vipValueOf({ index: i + 2, flags: 0, acl: 0 });
    for (const [port, protocol] of [
      [PORT, UDP],
      [0, UDP],
      [0, 0],
    ])
      tables.setVip(vipKeyOf(key(i), 4, port, protocol), value);
    tables.setSlots(i + 2, slots);
  }
  const index = services + 2;
  tables.setPrefix(prefixKeyOf(ip('10.21.0.0'), 4, 96 + 16), vipValueOf({ index: 1, flags: 0, acl: 0 }));
  for (const port of [PORT, 0]) tables.setVip(prefixVipKeyOf(1, 4, port, UDP), vipValueOf({ index, flags: 0, acl: 0 }));
  tables.setSlots(index, slots);
  return tables;
}

/**
 * A frame of 60 bytes (62 of IPv6) from a client to the VIP, or to `to`.
 * @param {'ipv4' | 'ipv6'} family
 * @param {string} [to]
 */
export function clientQuestion(family, to = VIPS[family]) {
  const question = frame.udp({ sourcePort: 40_000, destinationPort: PORT }, new Uint8Array(family === 'ipv4' ? 18 : 0));
  const bytes = (/** @type {string} */ text) => addressBytes(ip(text)).slice(family === 'ipv4' ? 12 : 0);
  const ends = { source: bytes(family === 'ipv4' ? '10.9.7.7' : 'fd09::7:7'), destination: bytes(to) };
  const packet = family === 'ipv4' ? frame.ipv4(ends, question) : frame.ipv6(ends, question);
  return frame.ethernet({ destination: OWN_MAC, source: CLIENT_MAC }, packet);
}

/**
 * A SYN to an address of the tarpit's, or to another one.
 * @param {string} [to]
 */
export function scannerSyn(to = '10.9.0.200') {
  const syn = frame.tcp({ sourcePort: 40_000, destinationPort: 22, sequence: 1, flags: 0x02 }, new Uint8Array());
  const bytes = (/** @type {string} */ text) => addressBytes(ip(text)).slice(12);
  const packet = frame.ipv4({ source: bytes('10.9.7.7'), destination: bytes(to) }, syn);
  return frame.ethernet({ destination: OWN_MAC, source: CLIENT_MAC }, packet);
}
