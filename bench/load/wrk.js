/** HTTP load by wrk, one thread. */
import { Program } from '../program.js';

/**
 * @typedef {object} Load
 * @property {number} requests answered
 * @property {number} perSecond
 * @property {number} p50Us
 * @property {number} p99Us
 * @property {number} errors refused, cut or late connections, and answers other than 2xx
 */

const UNIT_US = /** @type {Record<string, number>} */ ({ us: 1, ms: 1_000, s: 1_000_000, m: 60_000_000 });

/**
 * @param {number} port
 * @param {object} options
 * @param {number} options.core
 * @param {number} options.connections
 * @param {number} options.seconds
 * @param {string} [options.path]
 * @param {boolean} [options.perConnection]
 * @param {boolean} [options.isTls]
 * @param {string} [options.host] to ask, 127.0.0.1 unless given
 * @param {string} [options.namespace] of the network to ask from
 * @returns {Promise<Load>}
 */
export async function loadByWrk(
  port,
  { core, connections, seconds, path = '/', perConnection = false, isTls = false, host = '127.0.0.1', namespace },
) {
  const args = ['-t1', `-c${connections}`, `-d${seconds}s`, '--latency', '--timeout', '10s'];
  if (perConnection) args.push('-H', 'Connection: close');
  const program = new Program('wrk', [...args, `${isTls ? 'https' : 'http'}://${host}:${port}${path}`], {
    core,
    namespace,
  });
  return parseWrk(await program.finished());
}

/**
 * @param {string} output
 * @returns {Load}
 */
function parseWrk(output) {
  const total = /(\d+) requests in ([\d.]+)(us|ms|s|m)\b/.exec(output);
  if (total === null) throw new Error(`cannot read wrk's report: ${output.slice(-400)}`);
  const requests = Number(total[1]);
  const seconds = (Number(total[2]) * UNIT_US[total[3]]) / 1e6;
  const percentile = (/** @type {number} */ percent) => {
    const found = new RegExp(`^\\s+${percent}%\\s+([\\d.]+)(us|ms|s|m)\\s*$`, 'm').exec(output);
    return found ? Number(found[1]) * UNIT_US[found[2]] : Number.NaN;
  };
  const sockets = /Socket errors: connect (\d+), read (\d+), write (\d+), timeout (\d+)/.exec(output);
  const status = /Non-2xx or 3xx responses: (\d+)/.exec(output);
  const errors = [...(sockets?.slice(1) ?? []), status?.[1] ?? 0].map(Number).reduce((sum, n) => sum + n);
  return { requests, perSecond: requests / seconds, p50Us: percentile(50), p99Us: percentile(99), errors };
}
