/**
 * Linux capabilities of the calling thread. The kernel keeps them for each thread and lets none change another's;
 * setuid(2) from root empties all sets unless the thread has asked before to keep the permitted one (PR_SET_KEEPCAPS),
 * and empties the effective one even then. Whoever is to keep a right calls `keepCapabilities` on its own thread before
 * the user changes, and `reduceCapabilities` there afterwards; threads that do neither (Node's and V8's own) end with
 * nothing. A thread started later has what its parent has. See capabilities(7).
 */
import { check, libc } from './libc.js';
import { type Mapping, mapAnonymous } from './memory.js';
import { _LINUX_CAPABILITY_VERSION_3, PR_SET_KEEPCAPS } from './uapi/capability.js';

/** struct __user_cap_header_struct (version:32 pid:32) at 0, two struct __user_cap_data_struct at 8. */
const DATA = 8;
let memory: Mapping | undefined;

/** This thread keeps what it may do when the process becomes another user. Throws a SystemError. */
export function keepCapabilities(): void {
  check(libc().prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0), 'prctl');
}

/** Leaves this thread these rights (below 32), in force, and no others. Throws a SystemError: EPERM if it lacks one. */
export function reduceCapabilities(keep: readonly number[]): void {
  memory ??= mapAnonymous(4096);
  const view = new DataView(memory.buffer);
  view.setUint32(0, _LINUX_CAPABILITY_VERSION_3, true);
  view.setInt32(4, 0, true);
  const bits = keep.reduce((set, capability) => set | (1 << capability), 0);
  for (const word of [0, 1]) {
    const at = DATA + word * 12;
    const value = word === 0 ? bits : 0;
    view.setInt32(at, value, true);
    view.setInt32(at + 4, value, true);
    view.setInt32(at + 8, 0, true);
  }
  check(libc().capset(memory.address, memory.address + DATA), 'capset');
}
