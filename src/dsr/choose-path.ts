/** Which way packets go: through the kernel by an XDP program, or through this process. */
import { BpfError } from '../bpf/index.js';
import type { DsrMode } from '../core/configuration.js';
import { DsrError } from './errors.js';
import type { ProgramOptions } from './layout.js';
import { openPath, type Path } from './path.js';
import { openPinnedPath } from './pinned-path.js';
import { openNetmapPath, openPacketPath, type RingPathOptions } from './ring/ring-path.js';

export interface PathOptions extends Omit<RingPathOptions, 'reason'> {
  readonly mode: DsrMode;
  /** Where, in a bpffs, it outlives the process; undefined if it is not to. */
  readonly pinDirectory: string | undefined;
  /** What the first program must be able to do. */
  readonly program: ProgramOptions;
}

/** Another mode would not help: somebody else's program is there, or no such interface. */
const FINAL = ['EBUSY', 'EEXIST', 'ENODEV'];

/**
 * The path that was asked for; with `auto` the fastest that is to be had: a program in the driver, behind it, a packet
 * ring; netmap on FreeBSD. Throws a DsrError, SystemError or BpfError, leaving nothing behind.
 */
export function choosePath(options: PathOptions): Path {
  const { mode, pinDirectory, interfaceName, size, program } = options;
  if (mode === 'netmap') return openNetmapPath({ ...options, reason: 'as dsr_mode says' });
  if (process.platform !== 'linux') {
    if (mode === 'auto') return openNetmapPath({ ...options, reason: `which is what ${process.platform} has` });
    throw new DsrError(`cannot run in mode ${mode}: ${process.platform} has none (dsr_mode netmap)`);
  }
  if (mode !== 'packet' && pinDirectory !== undefined)
    return openPinnedPath({ ...options, mode, directory: pinDirectory });
  switch (mode) {
    case 'packet':
      return openPacketPath({ ...options, reason: 'as dsr_mode says' });
    case 'xdp':
    case 'generic':
      return openPath(interfaceName, size, program, mode);
    case 'auto':
      return automatic(options);
  }
}

function automatic(options: PathOptions): Path {
  const { interfaceName, size, program } = options;
  try {
    return openPath(interfaceName, size, program, 'auto');
  } catch (error) {
    const isOfXdp = error instanceof BpfError || error instanceof DsrError;
    if (!isOfXdp || (error instanceof BpfError && FINAL.includes(error.code))) throw error;
    return openPacketPath({ ...options, reason: `through this process, as there is no XDP; ${error.message}` });
  }
}
