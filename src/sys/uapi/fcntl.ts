/** From <fcntl.h>: these have one value on Linux, FreeBSD, OpenBSD and macOS. */
import { constants } from 'node:fs';

export const F_SETFD = 2;
export const F_SETFL = 4;
export const FD_CLOEXEC = 1;
/** Not the same everywhere; Node has this system's. */
export const O_NONBLOCK = constants.O_NONBLOCK;

/** For flock(2): alone, and without waiting. */
export const LOCK_EX = 2;
export const LOCK_NB = 4;
/** For unlinkat(2); Linux. */
export const AT_REMOVEDIR = 0x200;
