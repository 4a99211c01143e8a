/** Where log lines go: to standard error in the foreground, to syslog in the background. */
import { hasFfi } from '../sys/ffi.js';
import { LOG_DEBUG, LOG_INFO, openSyslog, syslog } from '../sys/syslog.js';

/** Level 0 is for every operator; higher ones are for -d. */
export type Log = (level: number, line: string) => void;

export function openLog(isForeground: boolean, program = 'pen'): Log {
  if (isForeground) {
    // Whoever read our lines may have gone. To log that would fail again, for ever.
    process.stderr.on('error', () => {});
    return (_level, line) => void process.stderr.write(`${program}: ${line}\n`);
  }
  // Where there is no syslog, a background process has nobody to tell.
  if (!hasFfi()) return () => {};
  openSyslog(program);
  // The first line opens the way to syslog, which could not be found any more after a chroot.
  syslog(LOG_INFO, 'starting');
  return (level, line) => syslog(level > 0 ? LOG_DEBUG : LOG_INFO, line);
}
