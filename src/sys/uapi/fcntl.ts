/** From <fcntl.h>: these have one value on Linux, FreeBSD, OpenBSD and macOS. */
import { constants } from 'node:fs';

export const F_SETFD = 2;
export const F_SETFL = 4;
export const FD_CLOEXEC = 1;
/** Not the same everywhere; Node has this system's. */
export const O_NONBLOCK = constants.O_NONBLOCK;
