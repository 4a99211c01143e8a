/**
 * Requests by TLS on connections of their own, none of which resumes a session, by ApacheBench. wrk looks as if it would do,
 * but it clears and reuses its SSL objects, session included: most of its handshakes are resumed.
 */
import { Program } from '../program.js';

const MORE_THAN_ENOUGH = 10_000_000;

/**
 * @param {number} port
 * @param {{ core: number, connections: number, seconds: number }} options
 * @returns {Promise<import('./wrk.js').Load>}
 */
export async function loadByAb(port, { core, connections, seconds }) {
  // -t comes first: it sets -n to 50,000.
  const args = ['-q', '-t', seconds, '-n', MORE_THAN_ENOUGH, '-c', connections, '-f', 'TLS1.3'];
  const program = new Program('ab', [...args, `https://127.0.0.1:${port}/`].map(String), { core });
  return parseAb(await program.finished());
}

/**
 * @param {string} output
 * @returns {import('./wrk.js').Load}
 */
function parseAb(output) {
  const number = (/** @type {RegExp} */ line) => {
    const found = line.exec(output);
    return found === null ? Number.NaN : Number(found[1]);
  };
  const requests = number(/^Complete requests:\s+(\d+)/m);
  if (Number.isNaN(requests)) throw new Error(`cannot read ab's report: ${output.slice(-400)}`);
  const errors = number(/^Failed requests:\s+(\d+)/m) + (number(/^Non-2xx responses:\s+(\d+)/m) || 0);
  return {
    requests,
    perSecond: number(/^Requests per second:\s+([\d.]+)/m),
    p50Us: number(/^\s+50%\s+(\d+)/m) * 1000,
    p99Us: number(/^\s+99%\s+(\d+)/m) * 1000,
    errors,
  };
}
