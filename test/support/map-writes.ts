/** What a process writes to BPF maps, as strace(1) sees it. */
import type { Host } from './bed.js';
import type { Scene } from './ending.js';
import { until } from './wait.js';

/** How many entries of maps a process of the host writes or takes away while `body` runs. */
export async function mapWrites(t: Scene, host: Host, pid: number, body: () => Promise<unknown>): Promise<number> {
  const tracer = host.start(t, 'strace', ['-p', `${pid}`, '-e', 'trace=bpf']);
  await until(`strace is there: ${tracer.said()}`, () => tracer.said().includes('attached'));
  await body();
  await tracer.stop('SIGINT');
  const said = tracer.said();
  const single = said.match(/BPF_MAP_(UPDATE|DELETE)_ELEM/g)?.length ?? 0;
  const batches = [...said.matchAll(/BPF_MAP_(?:UPDATE|DELETE)_BATCH.*?count=(\d+)/g)];
  return batches.reduce((sum, [, count]) => sum + Number(count), single);
}
