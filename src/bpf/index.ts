/**
 * eBPF from TypeScript: programs put together as values, maps, links and test runs through bpf(2). Knows nothing of
 * balancing. The assembler is `asm/index.js`, the structured layer over it `builder/index.js`.
 */
export * from './errors.js';
export * from './features.js';
export type { ObjectKind } from './handle.js';
export { type LinkInfo, XdpLink, type XdpMode } from './link.js';
export { BpfMap, type MapInfo, type UpdateMode } from './map.js';
export { type MapSpec, type MapType, possibleCpus, ringBufferSpec, sumOf } from './map-spec.js';
export { type LoadOptions, Program, type ProgramInfo, type ProgramSpec } from './program.js';
export { RingBufferReader } from './ring-buffer.js';
export * from './struct.js';
export { MAX_FRAME_BYTES, TestRun } from './test-run.js';
export { type FailingInstruction, VerifierError } from './verifier-error.js';
