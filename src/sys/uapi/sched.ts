/** Scheduling, from <linux/sched/types.h>, <linux/sched.h> and each architecture's <asm/unistd.h>. */

/** Numbers of sched_setattr(2) and sched_getattr(2). */
export const SYS_SCHED_ATTR: Partial<Record<NodeJS.Architecture, { readonly set: number; readonly get: number }>> = {
  x64: { set: 314, get: 315 },
  arm64: { set: 274, get: 275 },
  loong64: { set: 274, get: 275 },
  riscv64: { set: 274, get: 275 },
  arm: { set: 380, get: 381 },
  ppc64: { set: 355, get: 356 },
  s390x: { set: 345, get: 346 },
};

/** struct sched_attr in its first version; `runtime` are nanoseconds. */
export const SCHED_ATTR = { size: 0, policy: 4, flags: 8, nice: 16, priority: 20, runtime: 24, bytes: 48 } as const;

export const SCHED_OTHER = 0;
/** Threads that are made from here on are ordinary ones, whatever this one is. */
export const SCHED_FLAG_RESET_ON_FORK = 1;
