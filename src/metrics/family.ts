/**
 * A family of samples that is read at the moment it is asked for. The library's own counters and histograms count
 * themselves; ours are counted by the workers, in shared memory, so a family only says what stands there. It is what the
 * registry asks of a metric: a name and `get`.
 */
import type { Metric, Registry } from 'prom-client';

export type Labels = Readonly<Record<string, string>>;

export interface Sample {
  readonly labels?: Labels;
  readonly value: number;
}

export interface FamilyDescription {
  readonly name: string;
  readonly help: string;
  readonly type: 'counter' | 'gauge';
}

/** Adds a family to the registry; `samples` is called for each reading. */
export function addFamily(registry: Registry, description: FamilyDescription, samples: () => readonly Sample[]): void {
  const metric = {
    ...description,
    get: async () => ({ ...description, values: samples(), aggregator: 'sum' }),
    reset() {},
  };
  registry.registerMetric(metric as unknown as Metric);
}
