/** The XDP program of Direct Server Return. */
export type { VipEntry } from './known-vips.js';
export { dsrProgram } from './program.js';
