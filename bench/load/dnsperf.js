/** DNS questions by dnsperf, one thread, from many ports. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Program, scratch } from '../program.js';

/** Names of different lengths, as there are. */
const NAMES = 1000;

/**
 * @param {number} port
 * @param {object} options
 * @param {number} options.core
 * @param {number} options.clients ports that questions come from
 * @param {number} options.outstanding questions without an answer at a time
 * @param {number} options.seconds
 * @param {number} [options.rate] questions a second, as many as it can unless given
 * @returns {Promise<import('./wrk.js').Load>}
 */
export async function loadByDnsperf(port, { core, clients, outstanding, seconds, rate }) {
  const args = ['-s', '127.0.0.1', '-p', String(port), '-d', questions(), '-T', '1', '-c', String(clients)];
  args.push('-q', String(outstanding), '-l', String(seconds), '-t', '2');
  if (rate !== undefined) args.push('-Q', String(Math.round(rate)));
  const program = new Program('dnsperf', args, { core });
  return parseDnsperf(await program.finished());
}

let file = '';

function questions() {
  if (file !== '') return file;
  file = join(scratch, 'questions');
  const lines = Array.from(
    { length: NAMES },
    (_, i) => `${'w'.repeat(1 + (i % 24))}${i}.example.com ${i % 4 ? 'A' : 'AAAA'}`,
  );
  writeFileSync(file, `${lines.join('\n')}\n`);
  return file;
}

/**
 * @param {string} output
 * @returns {import('./wrk.js').Load}
 */
function parseDnsperf(output) {
  const number = (/** @type {RegExp} */ pattern) => {
    const found = pattern.exec(output);
    if (found === null) throw new Error(`cannot read dnsperf's report: ${output.slice(-400)}`);
    return Number(found[1]);
  };
  const answered = number(/Queries completed:\s+(\d+)/);
  const lost = number(/Queries lost:\s+(\d+)/);
  return {
    requests: answered,
    perSecond: number(/Queries per second:\s+([\d.]+)/),
    // It tells the average only.
    p50Us: Number.NaN,
    p99Us: Number.NaN,
    errors: lost,
  };
}
