/** The XDP program of Direct Server Return. */
export { dsrProgram } from './program.js';
