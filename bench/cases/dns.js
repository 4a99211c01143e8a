import { contest, values } from '../contest.js';
import { contestSection } from '../contest-section.js';
import { startDnsBackend } from '../dns-backend.js';
import { loadByDnsperf } from '../load/dnsperf.js';
import { figure } from '../report.js';
import { startCompetitor } from '../rivals/rivals.js';
import { median } from '../statistics.js';

const CLIENTS = 64;
const OUTSTANDING = 256;
/** Of the peak: where nobody should lose a question. */
const EASY = 0.8;
const EASY_SECONDS = 5;

/** @type {import('./cases.js').Case} */
export const dns = {
  name: 'dns',
  async run(bench) {
    const backend = await startDnsBackend(bench.cores.backend);
    const results = await contest(bench, {
      competitors: bench.udpCompetitors,
      connections: CLIENTS,
      dns: { port: backend.port, outstanding: OUTSTANDING },
    });
    const notes = [];
    for (const result of results) {
      const rate = EASY * median(values(result, 'perSecond'));
      notes.push(`${result.competitor.label}: ${await lostAt(bench, result.competitor, backend.port, rate)}.`);
      bench.say(`  ${notes.at(-1)}`);
    }
    await backend.end();
    const text = {
      name: this.name,
      unit: 'question',
      title: 'DNS over UDP',
      question: `What does it cost to pass on a question and its answer? dnsperf, ${CLIENTS} ports, ${OUTSTANDING} questions at a time.`,
      notes: [
        'dnsdist uses two threads, and knows DNS: its session is a number in the question, so all share a socket.',
        ...notes,
      ],
    };
    return contestSection(text, results, [
      { of: 'ours', to: 'pen', field: 'cpuUs', limit: 1 / 5 },
      { of: 'ours', to: 'nginx', field: 'cpuUs', limit: 0.67 },
      { of: 'ours', to: 'dnsdist', field: 'cpuUs', limit: 1 },
    ]);
  },
};

/**
 * @param {import('../contest.js').Bench} bench
 * @param {import('../rivals/rivals.js').Competitor} competitor
 * @param {number} directPort
 * @param {number} rate questions a second
 */
async function lostAt({ cores }, competitor, directPort, rate) {
  const { program, port } = await startCompetitor(competitor, {
    servers: [`127.0.0.1:${directPort}`],
    connections: 500,
    clients: 2048,
    core: cores.balancer,
    directPort,
    udp: true,
    tracks: true,
  });
  const load = { core: cores.load, clients: CLIENTS, outstanding: OUTSTANDING };
  await loadByDnsperf(port, { ...load, seconds: 1 });
  const { requests, errors } = await loadByDnsperf(port, { ...load, seconds: EASY_SECONDS, rate });
  await program?.end();
  return `${errors} of ${figure(requests + errors)} lost at ${figure(rate)} questions/s, 80 % of its peak`;
}
