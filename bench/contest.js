/** Competitors under the same load, in turn, round after round. */
import { setTimeout as sleep } from 'node:timers/promises';
import { loadByAb } from './load/ab.js';
import { loadByDnsperf } from './load/dnsperf.js';
import { loadByResuming } from './load/resuming.js';
import { loadByWrk } from './load/wrk.js';
import { cpuBetween, readCpu, readMemory } from './measure.js';
import { startCompetitor } from './rivals/rivals.js';
import { median, ratios } from './statistics.js';

/** @typedef {import('./rivals/rivals.js').Competitor} Competitor */

/**
 * What the cases work with.
 * @typedef {object} Bench
 * @property {import('./options.js').Options} options
 * @property {import('./machine.js').Cores} cores
 * @property {import('./backend.js').Backend} backend
 * @property {Competitor[]} competitors who balance TCP
 * @property {Competitor[]} udpCompetitors
 * @property {(line: string) => void} say
 */

/**
 * One competitor's turn in a round; NaN where there is nothing to measure.
 * @typedef {object} Turn
 * @property {number} perSecond
 * @property {number} cpuUs CPU time of the balancer per request
 * @property {number} busy share of its core that the balancer used
 * @property {number} p50Us
 * @property {number} p99Us
 * @property {number} errors
 */

/** @typedef {{ port: number, outstanding: number }} DnsLoad the name server behind it all, questions at a time */
/** @typedef {{ competitor: Competitor, turns: Turn[], peak: number }} Result */

const WARM_UP_SECONDS = 2;
/** Handshakes are few a second: that many for the just-in-time compiler of ours to have come to an end. */
const TLS_WARM_UP_SECONDS = 6;

/**
 * Keeps all of them running, idle when it is not their turn; which one begins changes from round to round.
 * @param {Bench} bench
 * @param {object} load
 * @param {Competitor[]} load.competitors
 * @param {number} load.connections
 * @param {string} [load.path]
 * @param {boolean} [load.perConnection]
 * @param {DnsLoad} [load.dns] questions instead of requests
 * @param {string} [load.certificate] the load comes by TLS, and that is what it meets
 * @param {boolean} [load.resumes] each connection resumes the session of the one before
 * @returns {Promise<Result[]>}
 */
export async function contest(bench, load) {
  const { competitors, connections, path, perConnection, dns, certificate, resumes } = load;
  const { cores, options } = bench;
  const backend = dns ?? bench.backend;
  const started = [];
  const run = (/** @type {number} */ port, /** @type {number} */ seconds) =>
    dns
      ? loadByDnsperf(port, { core: cores.load, clients: connections, outstanding: dns.outstanding, seconds })
      : resumes
        ? loadByResuming(port, { core: cores.load, connections, seconds })
        : certificate !== undefined && perConnection
          ? loadByAb(port, { core: cores.load, connections, seconds })
          : loadByWrk(port, {
              core: cores.load,
              connections,
              path,
              perConnection,
              seconds,
              isTls: certificate !== undefined,
            });
  for (const competitor of competitors) {
    const setup = {
      servers: [`127.0.0.1:${backend.port}`],
      connections: Math.max(500, connections),
      clients: 2048,
      core: cores.balancer,
      directPort: backend.port,
      udp: dns !== undefined,
      tracks: dns !== undefined,
      certificate,
    };
    started.push({ ...(await startCompetitor(competitor, setup)), turns: /** @type {Turn[]} */ ([]) });
  }
  for (const { port } of started) await run(port, certificate === undefined ? WARM_UP_SECONDS : TLS_WARM_UP_SECONDS);
  for (let round = 0; round < options.rounds; round++) {
    for (const place of started.keys()) {
      const { competitor, program, port, turns } = started[(place + round) % started.length];
      const turn = await takeTurn(program?.pid, () => run(port, options.seconds));
      turns.push(turn);
      bench.say(`  ${round + 1}  ${competitor.label.padEnd(24)} ${turnText(turn)}`);
    }
  }
  const results = started.map(({ competitor, program, turns }) => {
    return { competitor, turns, peak: program ? readMemory(program.pid).peak : Number.NaN };
  });
  await Promise.all(started.map(({ program }) => program?.end()));
  return results;
}

/**
 * @param {number | undefined} pid
 * @param {() => Promise<import('./load/wrk.js').Load>} load
 * @returns {Promise<Turn>}
 */
export async function takeTurn(pid, load) {
  // What the last one left to the kernel to tidy up is not this one's.
  await sleep(100);
  const before = pid === undefined ? undefined : readCpu(pid);
  const start = process.hrtime.bigint();
  const { requests, perSecond, p50Us, p99Us, errors } = await load();
  const ns = Number(process.hrtime.bigint() - start);
  const cpuNs = pid === undefined || before === undefined ? Number.NaN : cpuBetween(before, readCpu(pid));
  return { perSecond, cpuUs: cpuNs / 1000 / requests, busy: cpuNs / ns, p50Us, p99Us, errors };
}

/** @param {Turn} turn */
export function turnText({ perSecond, cpuUs, busy, p99Us, errors }) {
  const cpu = Number.isNaN(cpuUs) ? '' : `, ${cpuUs.toFixed(1)} us each, ${Math.round(busy * 100)} % busy`;
  return `${Math.round(perSecond)}/s${cpu}, p99 ${Math.round(p99Us)} us${errors > 0 ? `, ${errors} errors` : ''}`;
}

/**
 * @param {Result} result
 * @param {keyof Turn} field
 */
export function values(result, field) {
  return result.turns.map((turn) => turn[field]);
}

/**
 * The rival with the best median, or where none took part, the best of another checkout's engines; else undefined.
 * @param {Result[]} results
 * @param {keyof Turn} field
 */
export function bestRival(results, field) {
  const sign = field === 'perSecond' ? -1 : 1;
  const kind = results.some(({ competitor }) => competitor.kind === 'rival') ? 'rival' : 'before';
  const rivals = results.filter(({ competitor }) => competitor.kind === kind);
  const order = (/** @type {Result} */ result) => sign * median(values(result, field));
  return rivals.sort((a, b) => order(a) - order(b))[0];
}

/**
 * @param {Result} one
 * @param {Result} other
 * @param {keyof Turn} field
 */
export function ratioOf(one, other, field) {
  return ratios(values(one, field), values(other, field));
}
