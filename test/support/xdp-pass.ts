/**
 * `node xdp-pass.js INTERFACE...` attaches an XDP program that passes everything to each interface, says so, and holds
 * them until its standard input is closed or it is ended.
 */
import { readFileSync } from 'node:fs';
import { check, libc } from '../../src/sys/libc.js';
import { mapAnonymous } from '../../src/sys/memory.js';

/** bpf(2), <asm/unistd.h>. */
const BPF_SYSCALL = process.arch === 'arm64' ? 280 : 321;

// <linux/bpf.h>
const BPF_PROG_LOAD = 5;
const BPF_LINK_CREATE = 28;
const BPF_PROG_TYPE_XDP = 6;
const BPF_XDP = 37;

/** r0 = XDP_PASS; exit. */
const PASS = [0x00000000_000000b7n | (2n << 32n), 0x95n];

const memory = mapAnonymous(4096);
const view = new DataView(memory.buffer);
const ATTRIBUTES = 0;
const PROGRAM = 512;
const LICENSE = 1024;

function bpf(command: number, bytes: number): number {
  return check(libc().syscall(BPF_SYSCALL, command, memory.address + ATTRIBUTES, bytes, 0, 0, 0), 'bpf');
}

PASS.forEach((instruction, i) => {
  view.setBigUint64(PROGRAM + i * 8, instruction, true);
});
new Uint8Array(memory.buffer).set(new TextEncoder().encode('MIT'), LICENSE);
view.setUint32(0, BPF_PROG_TYPE_XDP, true);
view.setUint32(4, PASS.length, true);
view.setBigUint64(8, BigInt(memory.address + PROGRAM), true);
view.setBigUint64(16, BigInt(memory.address + LICENSE), true);
const program = bpf(BPF_PROG_LOAD, 128);

for (const name of process.argv.slice(2)) {
  const index = Number(readFileSync(`/sys/class/net/${name}/ifindex`, 'utf8'));
  new Uint8Array(memory.buffer).fill(0, ATTRIBUTES, PROGRAM);
  view.setUint32(0, program, true);
  view.setUint32(4, index, true);
  view.setUint32(8, BPF_XDP, true);
  bpf(BPF_LINK_CREATE, 64);
}
process.stdout.write('attached\n');
process.stdin.on('end', () => process.exit(0)).resume();
