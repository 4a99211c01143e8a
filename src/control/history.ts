/**
 * Traffic over the last hour, a sample a second: what the dashboard draws. Rings of 32-bit floats, so an hour of
 * everything takes 80 kB and of each server that is drawn alone 14 kB.
 */

export const HISTORY_SEC = 3600;

/** Servers that have a line of their own; charts with more are no longer read. */
export const HISTORY_SERVERS = 24;

const names = ['connections', 'accepted', 'failed', 'sent', 'received'] as const;

/** Sums since the start, but for `connections`, which is a present number. */
export type Sample = Readonly<Record<(typeof names)[number], number>> & {
  readonly timeMs: number;
  /** Successful connects, by row of the server table. */
  readonly connects: readonly number[];
};

/** `times` in seconds since 1970; rates are a second's, `connections` a mean. */
export interface Series extends Readonly<Record<(typeof names)[number], readonly number[]>> {
  readonly times: readonly number[];
  readonly servers: readonly (readonly number[])[];
}

export class History {
  readonly #times = new Float64Array(HISTORY_SEC);
  readonly #rings: Record<(typeof names)[number], Float32Array> = {
    connections: new Float32Array(HISTORY_SEC),
    accepted: new Float32Array(HISTORY_SEC),
    failed: new Float32Array(HISTORY_SEC),
    sent: new Float32Array(HISTORY_SEC),
    received: new Float32Array(HISTORY_SEC),
  };
  readonly #servers: Float32Array[] = [];
  #before: Sample | undefined;
  #count = 0;

  /** To be called once a second; what a late call has missed becomes its rate. */
  add(sample: Sample): void {
    const before = this.#before;
    this.#before = sample;
    if (!before || sample.timeMs <= before.timeMs) return;
    const seconds = (sample.timeMs - before.timeMs) / 1000;
    const at = this.#count % HISTORY_SEC;
    this.#count += 1;
    this.#times[at] = Math.round(sample.timeMs / 1000);
    for (const name of names) {
      const ring = this.#rings[name];
      ring[at] = name === 'connections' ? sample[name] : Math.max(0, sample[name] - before[name]) / seconds;
    }
    for (let slot = 0; slot < Math.min(sample.connects.length, HISTORY_SERVERS); slot++) {
      this.#servers[slot] ??= new Float32Array(HISTORY_SEC);
      const grown = (sample.connects[slot] ?? 0) - (before.connects[slot] ?? 0);
      (this.#servers[slot] as Float32Array)[at] = Math.max(0, grown) / seconds;
    }
    // A row that has left the table has no traffic.
    for (const ring of this.#servers.slice(sample.connects.length)) ring[at] = 0;
  }

  /** The last `seconds`, each `step` of them as one point, the oldest first. */
  series(seconds: number, step: number): Series {
    const have = Math.min(this.#count, HISTORY_SEC, seconds);
    const points = Math.floor(have / step);
    const first = this.#count - points * step;
    const mean = (ring: ArrayLike<number>) =>
      Array.from({ length: points }, (_, point) => {
        let sum = 0;
        for (let i = 0; i < step; i++) sum += ring[(first + point * step + i) % HISTORY_SEC] as number;
        return Math.round((sum / step) * 10) / 10;
      });
    return {
      times: Array.from(
        { length: points },
        (_, point) => this.#times[(first + (point + 1) * step - 1) % HISTORY_SEC] as number,
      ),
      connections: mean(this.#rings.connections),
      accepted: mean(this.#rings.accepted),
      failed: mean(this.#rings.failed),
      sent: mean(this.#rings.sent),
      received: mean(this.#rings.received),
      servers: this.#servers.map(mean),
    };
  }
}
