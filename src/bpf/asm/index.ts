/** The assembler: instructions as values, labels resolved by `assemble`, `listing` and `disassemble` to read them. */
export * from './alu.js';
export * from './assemble.js';
export * from './disassemble.js';
export * from './instruction.js';
export * from './jump.js';
export * from './listing.js';
export * from './memory.js';
export * from './prune.js';
