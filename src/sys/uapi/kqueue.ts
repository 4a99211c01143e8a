/**
 * From <sys/event.h> of FreeBSD 12 and later (sys/sys/event.h), OpenBSD (sys/sys/event.h) and macOS (xnu
 * bsd/sys/event.h). The constants are the same on the three, the end of struct kevent is not:
 *
 *   0  ident    uintptr_t      16  data    int64_t (macOS: intptr_t)
 *   8  filter   int16_t        24  udata   void *
 *   10 flags    uint16_t       32  ext     uint64_t[4]   (FreeBSD only, since 12)
 *   12 fflags   uint32_t
 *
 * Only 64-bit systems: on 32 bits the fields lie elsewhere.
 */
export const EVFILT_READ = -1;
export const EVFILT_WRITE = -2;
export const EV_ADD = 0x0001;
/** Tells changes (edges), not states. */
export const EV_CLEAR = 0x0020;
export const EV_ERROR = 0x4000;
export const EV_EOF = 0x8000;

export const KEVENT = { ident: 0, filter: 8, flags: 10, fflags: 12, data: 16, udata: 24 } as const;

/** sizeof(struct kevent) by platform. */
export const KEVENT_BYTES: Readonly<Record<string, number>> = { freebsd: 64, openbsd: 32, darwin: 32 };

/** Writes a change that adds a filter; the bytes at `offset` must be zero or an earlier change. */
export function writeChange(view: DataView, offset: number, fd: number, filter: number, flags: number): void {
  view.setUint32(offset + KEVENT.ident, fd, true);
  view.setInt16(offset + KEVENT.filter, filter, true);
  view.setUint16(offset + KEVENT.flags, flags, true);
}
