/** For tests that load programs: skipped, with the reason, only where that is not to be had. */
import { readdirSync } from 'node:fs';
import { hasFfi } from '../sys/ffi.js';
import { probe } from './features.js';

function whyNot(): string | false {
  if (process.platform !== 'linux') return 'needs Linux';
  if (!hasFfi()) return 'needs FFI';
  const { answer, reason } = probe('testRun');
  return answer === 'yes' ? false : reason;
}

/** Options for `test`. */
export const needsBpf: { readonly skip: string | false } = { skip: whyNot() };

/** Descriptors that the process has open, to see that none is lost. */
export function openDescriptors(): number {
  return readdirSync('/proc/self/fd').length;
}
