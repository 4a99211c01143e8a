/** Who the process is and what it may use: user, root directory, descriptor limit. */
import { keepCapabilities, reduceCapabilities } from './capabilities.js';
import { koffi } from './ffi.js';
import { check, libc } from './libc.js';
import { mapAnonymous, unmap } from './memory.js';

const RLIMIT_NOFILE = process.platform === 'linux' ? 7 : 8; // <sys/resource.h>

export interface UserIds {
  readonly uid: number;
  readonly gid: number;
}

/** The user's ids by getpwnam(3), so that every source of names counts; undefined if there is no such user. */
export function lookupUser(name: string): UserIds | undefined {
  const entry = libc().getpwnam(name);
  if (Number(entry) === 0) return undefined;
  // struct passwd begins pw_name, pw_passwd (pointers), pw_uid, pw_gid (32 bits) on Linux and the BSDs.
  const pointer = koffi().sizeof('void *');
  const ids = new Uint32Array(koffi().view(BigInt(entry) + BigInt(2 * pointer), 8));
  return { uid: ids[0], gid: ids[1] };
}

/**
 * Gives up root for good: first the root directory (and into it), then supplementary groups, group and user.
 * Applies to every thread of the process. `keep` are Linux capabilities that the calling thread has afterwards, and no
 * others; every thread that needs them too sees to it itself (capabilities.ts): true if that is to be done now. Throws a
 * SystemError, or an Error that names the user.
 */
export function dropPrivileges(options: {
  readonly user?: string | undefined;
  readonly root?: string | undefined;
  readonly keep?: readonly number[];
}): boolean {
  // Looked up first: inside the new root there may be no /etc/passwd.
  const ids = options.user === undefined ? undefined : lookupUser(options.user);
  if (options.user !== undefined && ids === undefined)
    throw new Error(`cannot become user '${options.user}': no such user`);
  const become = (step: () => void) => explained(options.user ?? '', step);
  if (options.user !== undefined) become(() => initgroups(options.user as string, (ids as UserIds).gid));
  if (options.root !== undefined) {
    check(libc().chroot(options.root), 'chroot', options.root);
    process.chdir('/');
  }
  if (ids === undefined) return false;
  const { keep = [] } = options;
  // root keeps everything anyway.
  const keeps = keep.length > 0 && ids.uid !== 0;
  if (keeps) keepCapabilities();
  become(() => process.setgid?.(ids.gid));
  become(() => process.setuid?.(ids.uid));
  if (keeps) reduceCapabilities(keep);
  return keeps;
}

/** Raises the soft limit on open descriptors to the hard one; returns what is in force. */
export function raiseFileLimit(): number {
  // struct rlimit: two rlim_t, as wide as a long on Linux's 32-bit systems, 64 bits elsewhere.
  const narrow = process.platform === 'linux' && koffi().sizeof('long') === 4;
  const limits = mapAnonymous(16);
  try {
    check(libc().getrlimit(RLIMIT_NOFILE, limits.address), 'getrlimit');
    const view = new DataView(limits.buffer);
    const read = (at: number) => (narrow ? view.getUint32(at * 4, true) : Number(view.getBigUint64(at * 8, true)));
    if (read(0) < read(1)) {
      if (narrow) view.setUint32(0, view.getUint32(4, true), true);
      else view.setBigUint64(0, view.getBigUint64(8, true), true);
      libc().setrlimit(RLIMIT_NOFILE, limits.address);
      libc().getrlimit(RLIMIT_NOFILE, limits.address);
    }
    return read(0);
  } finally {
    unmap(limits);
  }
}

function explained(user: string, step: () => void): void {
  try {
    step();
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code !== 'EPERM') throw error;
    throw new Error(`cannot become user '${user}': EPERM (only root can; leave out -u)`, { cause: error });
  }
}

/** process.initgroups exists on POSIX; @types/node 20 does not know it. */
function initgroups(user: string, gid: number): void {
  (process as unknown as { initgroups?: (user: string, gid: number) => void }).initgroups?.(user, gid);
}
