/** The XDP programs around the one that is measured. Frames are IPv4 or IPv6 with UDP or TCP, untagged. */
import { asm, uapi } from './product.js';

const { r0, r1, r2, r3, r4, r5, r6, r10 } = asm;
const { XDP_DROP, XDP_MD, XDP_PASS, XDP_TX } = uapi;

/** @typedef {import('../../src/bpf/asm/index.js').Code} Code */

/**
 * Where a client's address and port lie in a frame.
 * @type {Record<'ipv4' | 'ipv6', { address: number, port: number }>}
 */
export const OFFSETS = { ipv4: { address: 14 + 12, port: 14 + 20 }, ipv6: { address: 14 + 20, port: 14 + 40 } };

/** @param {number} verdict */
export function always(verdict) {
  return [asm.mov.imm(r0, verdict), asm.exit()];
}

/** What forwarding costs at the least: no look at the packet. */
export function swapMacs() {
  return [
    ...head(14, XDP_DROP),
    asm.load(r2, r1, 0, 4),
    asm.load(r3, r1, 4, 2),
    asm.load(r4, r1, 6, 4),
    asm.load(r5, r1, 10, 2),
    asm.store(r1, 0, r4, 4),
    asm.store(r1, 4, r5, 2),
    asm.store(r1, 6, r2, 4),
    asm.store(r1, 10, r3, 2),
    ...always(XDP_TX),
  ];
}

/** Counts UDP frames in the only entry of `counter` and drops them; the rest (ARP) is the kernel's. */
export function countAndDrop() {
  return [
    ...head(34, XDP_PASS),
    asm.load(r2, r1, 12, 2),
    asm.jne.imm(r2, 0x0008, 'pass'),
    asm.storeImm(r10, -4, 0, 4),
    asm.loadMap(r1, 'counter'),
    asm.mov.reg(r2, r10),
    asm.add.imm(r2, -4),
    asm.callHelper('map_lookup_elem'),
    asm.jeq.imm(r0, 0, 'pass'),
    asm.load(r1, r0, 0, 8),
    asm.add.imm(r1, 1),
    asm.store(r0, 0, r1, 8),
    ...always(XDP_DROP),
    asm.label('pass'),
    ...always(XDP_PASS),
  ];
}

/**
 * Makes the frame a client's again, whose MAC addresses the last round has changed (with `whole`: all of whose bytes an
 * answer has changed), and then does `rest`. With `vary` it is one of so many clients (a power of two): `bits` of the
 * port, or of address and port.
 * @param {{ mac: Uint8Array, whole?: Uint8Array, vary?: { at: number, mask: number, width: 2 | 4 } }} frame
 * @param {Code} rest takes r1 as it was
 * @returns {Code}
 */
export function clientFrame({ mac, whole = mac, vary }, rest) {
  const bytes = Math.max(14, whole.length, vary ? vary.at + 4 : 0);
  return [
    asm.mov.reg(r6, r1),
    ...(vary ? [asm.callHelper('get_prandom_u32'), asm.and32.imm(r0, vary.mask)] : []),
    asm.load(r2, r6, XDP_MD.dataEnd, 4),
    asm.load(r1, r6, XDP_MD.data, 4),
    asm.mov.reg(r3, r1),
    asm.add.imm(r3, bytes),
    asm.jgt.reg(r3, r2, 'client.ready'),
    ...storeBytes(whole),
    ...(vary ? [asm.store(r1, vary.at, r0, vary.width)] : []),
    asm.label('client.ready'),
    asm.mov.reg(r1, r6),
    ...rest,
  ];
}

/**
 * To where r1 points.
 * @param {Uint8Array} bytes an even number
 * @returns {Code}
 */
function storeBytes(bytes) {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const words = bytes.length >> 2;
  const code = Array.from({ length: words }, (_, i) => asm.storeImm(r1, i * 4, view.getInt32(i * 4, true), 4));
  return bytes.length % 4 === 0 ? code : [...code, asm.storeImm(r1, words * 4, view.getUint16(words * 4, true), 2)];
}

/**
 * r1 = the frame, of which so many bytes are there; else the verdict.
 * @param {number} bytes
 * @param {number} otherwise
 */
function head(bytes, otherwise) {
  return [
    asm.load(r2, r1, XDP_MD.dataEnd, 4),
    asm.load(r1, r1, XDP_MD.data, 4),
    asm.mov.reg(r3, r1),
    asm.add.imm(r3, bytes),
    asm.jle.reg(r3, r2, 'head.whole'),
    ...always(otherwise),
    asm.label('head.whole'),
  ];
}
