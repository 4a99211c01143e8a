/** Waiting for something to become true, never for a time to pass. */
import { setTimeout as sleep } from 'node:timers/promises';

/** The one patience of all scenarios, ms; a slow machine sets PEN_TEST_TIMEOUT_MS. */
export const TIMEOUT_MS = Number(process.env.PEN_TEST_TIMEOUT_MS ?? 15_000);

/** Repeats `probe` until it gives something truthy and returns that; `what` names the hope in the failure message. */
export async function until<T>(what: string, probe: () => T | Promise<T>, timeoutMs = TIMEOUT_MS): Promise<T & {}> {
  const deadline = performance.now() + timeoutMs;
  for (let pauseMs = 2; ; pauseMs = Math.min(pauseMs * 2, 100)) {
    const result = await probe();
    if (result) return result;
    if (performance.now() > deadline) throw new Error(`waited ${timeoutMs} ms in vain: ${what}`);
    await sleep(pauseMs);
  }
}

/** `promise`, or an error naming `what` when it takes too long. */
export async function within<T>(what: string, promise: Promise<T>, timeoutMs = TIMEOUT_MS): Promise<T> {
  const timer = new AbortController();
  const late = sleep(timeoutMs, undefined, { signal: timer.signal }).then(
    () => Promise.reject(new Error(`waited ${timeoutMs} ms in vain: ${what}`)),
    () => new Promise<never>(() => {}),
  );
  try {
    return await Promise.race([promise, late]);
  } finally {
    timer.abort();
  }
}
