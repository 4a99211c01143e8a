import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { takeTurn, turnText } from '../contest.js';
import { loadByWrk } from '../load/wrk.js';
import { descriptorLimit } from '../machine.js';
import { readMemory } from '../measure.js';
import { Program } from '../program.js';
import { duration, figure, megabytes, ratioTarget, ratioText } from '../report.js';
import { startCompetitor } from '../rivals/rivals.js';
import { median, ratios, spread } from '../statistics.js';

const WANTED = 10_000;
const BUSY = 8;
/** Descriptors that a balancer needs beside those of its connections. */
const SPARE = 300;
/** Of each load: to warm up (each round begins anew), without the idle ones, and with them. */
const SECONDS = 1;

const IDLERS = fileURLToPath(new URL('../load/idlers.js', import.meta.url));

/** @typedef {{ bytes: number, peak: number, without: import('../contest.js').Turn, with: import('../contest.js').Turn }} Sample */

/** @type {import('./cases.js').Case} */
export const idle = {
  name: 'idle',
  async run(bench) {
    const { options } = bench;
    const count = Math.min(WANTED, Math.floor((descriptorLimit() - SPARE) / 2));
    const results = bench.competitors.map((competitor) => ({ competitor, samples: /** @type {Sample[]} */ ([]) }));
    for (let round = 0; round < options.rounds; round++) {
      for (const place of results.keys()) {
        const { competitor, samples } = results[(place + round) % results.length];
        const sample = await measure(bench, competitor, count);
        samples.push(sample);
        const bytes = Number.isNaN(sample.bytes) ? '' : `${Math.round(sample.bytes)} B each, `;
        bench.say(
          `  ${round + 1}  ${competitor.label.padEnd(24)} ${bytes}${turnText(sample.without)} -> ${turnText(sample.with)}`,
        );
      }
    }
    const of = (/** @type {Sample[]} */ samples, /** @type {(sample: Sample) => number} */ field) => samples.map(field);
    const p99Ratio = (/** @type {Sample[]} */ samples) =>
      ratios(
        of(samples, (sample) => sample.with.p99Us),
        of(samples, (sample) => sample.without.p99Us),
      );
    const ours = results.find(({ competitor }) => competitor.kind === 'ours');
    const size = ours && spread(of(ours.samples, (sample) => sample.bytes));
    return {
      name: this.name,
      title: 'Many idle connections',
      question: `What does a connection cost that does nothing, and do the busy ones feel it? ${count.toLocaleString('en-US')} idle, ${BUSY} busy.`,
      notes: [
        'An idle connection has had one request answered. Memory is the growth of the resident set; what the kernel holds is not in it, nor what a balancer sets aside as it starts (see its peak).',
        ...(count < WANTED
          ? [
              `Scaled from ${WANTED.toLocaleString('en-US')}: a balancer needs two descriptors a connection, and the hard limit here is ${descriptorLimit()}.`,
            ]
          : []),
      ],
      tables: [
        {
          columns: [
            ...['', 'bytes per idle connection', 'p99 without', 'p99 with', 'p99, with / without'],
            ...['CPU per request without', 'CPU per request with', 'peak memory'],
          ],
          rows: results.map(({ competitor, samples }) => [
            competitor.kind === 'ours' ? `**${competitor.label}**` : competitor.label,
            figure(median(of(samples, (sample) => sample.bytes))),
            duration(median(of(samples, (sample) => sample.without.p99Us))),
            duration(median(of(samples, (sample) => sample.with.p99Us))),
            ratioText(p99Ratio(samples)),
            duration(median(of(samples, (sample) => sample.without.cpuUs))),
            duration(median(of(samples, (sample) => sample.with.cpuUs))),
            megabytes(median(of(samples, (sample) => sample.peak))),
          ]),
        },
      ],
      charts: [
        {
          kind: 'bars',
          title: 'Many idle connections',
          column: 'bytes per idle connection',
          unit: 'bytes of process memory per idle connection (less is better)',
          bars: results
            .filter(({ competitor }) => competitor.command)
            .map(({ competitor, samples }) => ({
              label: competitor.label,
              isOurs: competitor.kind === 'ours',
              ...spread(of(samples, (sample) => sample.bytes)),
            })),
        },
      ],
      targets:
        ours && size
          ? [
              {
                claim: `Idle connections: memory of ${ours.competitor.label} per connection < 2,048 bytes`,
                measured: `${figure(size.median)} (${figure(size.min)}–${figure(size.max)})`,
                met: size.median < 2048,
              },
              ratioTarget(
                `Idle connections: p99 of the busy ones, with / without, ${ours.competitor.label}`,
                p99Ratio(ours.samples),
                '<=',
                1.2,
              ),
            ]
          : [],
      samples: results.map(({ competitor, samples }) => ({ id: competitor.id, samples })),
    };
  },
};

/**
 * A fresh balancer: busy connections alone, then with the idle ones beside them.
 * @param {import('../contest.js').Bench} bench
 * @param {import('../rivals/rivals.js').Competitor} competitor
 * @param {number} count
 * @returns {Promise<Sample>}
 */
async function measure({ cores, backend }, competitor, count) {
  const { program, port } = await startCompetitor(competitor, {
    servers: [`127.0.0.1:${backend.port}`],
    connections: count + BUSY + 64,
    clients: 2048,
    core: cores.balancer,
    directPort: backend.port,
  });
  const idlers = new Program(process.execPath, [IDLERS], { core: cores.load, ipc: true });
  const load = { core: cores.load, connections: BUSY };
  const turn = () => takeTurn(program?.pid, () => loadByWrk(port, { ...load, seconds: SECONDS }));
  const memory = () => (program ? readMemory(program.pid) : { now: Number.NaN, peak: Number.NaN });
  await loadByWrk(port, { ...load, seconds: SECONDS });
  const without = await turn();
  const before = memory();
  const { open } = await idlers.ask({ port, count });
  if (open < count) throw new Error(`${competitor.label} serves ${open} of ${count} idle connections`);
  await sleep(200);
  const { now } = memory();
  const sample = { bytes: (now - before.now) / count, without, with: await turn(), peak: memory().peak };
  await idlers.ask({ close: true });
  await Promise.all([idlers.end(), program?.end()]);
  return sample;
}
