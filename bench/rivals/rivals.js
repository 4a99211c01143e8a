/**
 * Who competes. An adapter turns the setup of a case into a command line; starting, measuring and ending are the same
 * for all.
 */
import { basename } from 'node:path';
import { ROOT } from '../machine.js';
import { freePort, Program } from '../program.js';
import { dnsdist } from './dnsdist.js';
import { haproxy, haproxySplice } from './haproxy.js';
import { hitch } from './hitch.js';
import { nginx, nginxLargeBuffer } from './nginx.js';
import { engines } from './ours.js';
import { cPen } from './pen.js';

/**
 * @typedef {object} Setup
 * @property {number} port to listen on, at 127.0.0.1
 * @property {string[]} servers as `address:port`
 * @property {number} connections that it must take at a time
 * @property {number} clients to track
 * @property {boolean} [tracks] clients come back to their server; otherwise servers take turns
 * @property {string[]} [nodeFlags] for ours
 * @property {boolean} [udp] DNS instead of TCP; clients keep their server
 * @property {string} [certificate] file with certificate, chain and key: clients come by TLS
 * @property {string} [suite] of TLS 1.3, for ours
 */

/**
 * @typedef {object} Competitor
 * @property {string} id
 * @property {string} label
 * @property {'ours' | 'before' | 'rival' | 'context'} kind ratios are formed to the best `rival`; `before` is another checkout
 * @property {string} version empty if it is not installed
 * @property {'tcp' | 'udp'} [protocols] the only one it balances
 * @property {((setup: Setup) => { file: string, args: string[] }) | undefined} command undefined for the backend itself
 */

/** @typedef {{ competitor: Competitor, program: Program | undefined, port: number }} Started */

/** No balancer at all: what load generator and backend can do. @type {Competitor} */
const direct = { id: 'direct', label: 'no balancer', kind: 'context', version: '-', command: undefined };

/** Speaks nothing but TLS. @type {readonly Competitor[]} */
export const forTls = [hitch].filter(({ version }) => version !== '');

/** Tuned for one case, and no yardstick: they stand in that case's table. @type {readonly Competitor[]} */
export const forBulk = [haproxySplice, nginxLargeBuffer].filter(({ version }) => version !== '');

/** @param {Competitor} competitor */
export function balancesTcp({ protocols }) {
  return protocols !== 'udp';
}

/** @param {Competitor} competitor */
export function balancesUdp({ protocols }) {
  return protocols !== 'tcp';
}

/**
 * Those asked for (empty = all) that can run here.
 * @param {string[]} wanted
 * @param {string[]} against other checkouts
 * @returns {Promise<Competitor[]>}
 */
export async function findCompetitors(wanted, against) {
  const ours = await engines(ROOT);
  for (const folder of against) ours.push(...(await engines(folder, `@${basename(folder)}`)));
  const all = [...ours, cPen, haproxy, nginx, dnsdist, direct];
  const unknown = wanted.find((id) => !all.some((competitor) => competitor.id === id));
  if (unknown !== undefined)
    throw new Error(`no rival '${unknown}' (there are: ${all.map(({ id }) => id).join(', ')})`);
  return all.filter((competitor) => {
    if (wanted.length > 0 && !wanted.includes(competitor.id.split('@')[0])) return false;
    if (competitor.version === '') console.error(`without ${competitor.label}: not installed (see bench/install)`);
    return competitor.version !== '';
  });
}

/**
 * Starts a competitor and returns when it listens.
 * @param {Competitor} competitor
 * @param {Omit<Setup, 'port'> & { core: number, directPort: number }} options
 * @returns {Promise<Started>}
 */
export async function startCompetitor(competitor, options) {
  if (competitor.command === undefined) return { competitor, program: undefined, port: options.directPort };
  const port = await freePort();
  const { file, args } = competitor.command({ ...options, port });
  const program = new Program(file, args, { core: options.core });
  await (options.udp ? program.answersDns(port) : program.listens(port));
  return { competitor, program, port };
}
