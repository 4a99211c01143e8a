/** The structured layer over the assembler: stages, blocks, places and packet cursors. */
export * from './builder.js';
export * from './condition.js';
export * from './cursor.js';
export * from './place.js';
