/** The XDP program of Direct Server Return. */
export type { VipEntry, VipMaps } from './known-vips.js';
export { dsrProgram } from './program.js';
