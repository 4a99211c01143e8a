/** syslog(3): where messages go when there is no terminal to read them. */
import { libc } from './libc.js';
import { mapAnonymous } from './memory.js';

// <syslog.h>
const LOG_PID = 0x01;
const LOG_USER = 1 << 3;
export const LOG_ERR = 3;
export const LOG_WARNING = 4;
export const LOG_INFO = 6;
export const LOG_DEBUG = 7;

/** To be called once, before `syslog`; every line is then headed by `ident` and the process id. */
export function openSyslog(ident: string): void {
  // The C library keeps the pointer, so the name lives in memory of its own.
  const name = mapAnonymous(64);
  Buffer.from(name.buffer).write(ident, 0, 63);
  libc().openlog(name.address, LOG_PID, LOG_USER);
}

export function syslog(priority: number, line: string): void {
  libc().syslog(priority, '%s', 'const char *', line);
}
