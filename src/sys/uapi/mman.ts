/** From <sys/mman.h> of Linux (the values shared by all its architectures that Node runs on). */
export const PROT_READ = 1;
export const PROT_WRITE = 2;
export const MAP_SHARED = 0x01;
export const MAP_PRIVATE = 0x02;
export const MAP_FIXED = 0x10;
export const MAP_POPULATE = 0x8000;
export const MAP_ANONYMOUS = process.platform === 'linux' ? 0x20 : 0x1000;
export const MAP_FAILED = -1;
