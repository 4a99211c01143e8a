/**
 * Linux capabilities of the calling thread. The kernel keeps them for each thread and lets none change another's.
 * setuid(2) from root empties all sets of a thread, unless it has asked before that they be left alone. Whoever is to
 * keep a right calls `keepCapabilities` on its own thread before the user changes, and `reduceCapabilities` there
 * afterwards; threads that do neither (Node's and V8's own) end with nothing. A thread started later has what its
 * parent has. See capabilities(7).
 */
import { readFileSync } from 'node:fs';
import { check, libc } from './libc.js';
import { type Mapping, mapAnonymous } from './memory.js';
import {
  _LINUX_CAPABILITY_VERSION_3,
  PR_GET_SECUREBITS,
  PR_SET_KEEPCAPS,
  PR_SET_SECUREBITS,
  SECBIT_NO_SETUID_FIXUP,
} from './uapi/capability.js';

/** struct __user_cap_header_struct (version:32 pid:32) at 0, two struct __user_cap_data_struct at 8. */
const DATA = 8;
let memory: Mapping | undefined;

/**
 * This thread keeps what it may do when the process becomes another user. Throws a SystemError. Without CAP_SETPCAP it
 * keeps the right to have it again (the permitted set): until `reduceCapabilities` it can do nothing.
 */
export function keepCapabilities(): void {
  const bits = libc().prctl(PR_GET_SECUREBITS, 0, 0, 0, 0);
  if (bits >= 0 && libc().prctl(PR_SET_SECUREBITS, bits | SECBIT_NO_SETUID_FIXUP, 0, 0, 0) === 0) return;
  check(libc().prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0), 'prctl');
}

/** Leaves this thread these rights (below 32), in force, and no others. Throws a SystemError: EPERM if it lacks one. */
export function reduceCapabilities(keep: readonly number[]): void {
  const secure = libc().prctl(PR_GET_SECUREBITS, 0, 0, 0, 0);
  // While it may still: a later change of user is to empty the sets as usual. Nothing to undo where it may not.
  if (secure >= 0) libc().prctl(PR_SET_SECUREBITS, secure & ~SECBIT_NO_SETUID_FIXUP, 0, 0, 0);
  const { view, address } = withHeader();
  const bits = keep.reduce((set, capability) => set | (1 << capability), 0);
  for (const word of [0, 1]) {
    const at = DATA + word * 12;
    const value = word === 0 ? bits : 0;
    view.setInt32(at, value, true);
    view.setInt32(at + 4, value, true);
    view.setInt32(at + 8, 0, true);
  }
  check(libc().capset(address, address + DATA), 'capset');
}

/** Whether this thread may have that right (below 32), in force or not. Throws a SystemError. */
export function permitsCapability(capability: number): boolean {
  const { view, address } = withHeader();
  check(libc().capget(address, address + DATA), 'capget');
  return (view.getInt32(DATA + 4, true) & (1 << capability)) !== 0;
}

function withHeader(): { view: DataView; address: number } {
  memory ??= mapAnonymous(4096);
  const view = new DataView(memory.buffer);
  view.setUint32(0, _LINUX_CAPABILITY_VERSION_3, true);
  view.setInt32(4, 0, true);
  return { view, address: memory.address };
}

/** Whether this thread has that right in force, whatever its number; false where that cannot be told. For messages. */
export function hasCapability(capability: number): boolean {
  try {
    const [, mask] = /^CapEff:\s*([0-9a-f]+)$/m.exec(readFileSync('/proc/thread-self/status', 'latin1')) ?? [];
    return mask !== undefined && ((BigInt(`0x${mask}`) >> BigInt(capability)) & 1n) === 1n;
  } catch {
    return false;
  }
}
