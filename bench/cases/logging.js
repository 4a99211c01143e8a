import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { contest } from '../contest.js';
import { contestSection } from '../contest-section.js';

/** How much a log may cost of the requests a second. */
const SHARE = 0.05;

/** A line a request, C Pen's or JSON, to a file. */
export const loggingRequests = logging('logging', false, 'What does a log cost? 64 kept-alive connections.');
export const loggingConnections = logging(
  'logging-connection',
  true,
  'What does a log cost where each request has a connection of its own, of which JSON tells too? 64 at a time.',
);

/**
 * @param {string} name
 * @param {boolean} perConnection
 * @param {string} question
 * @returns {import('./cases.js').Case}
 */
function logging(name, perConnection, question) {
  return {
    name,
    async run(bench) {
      const folder = mkdtempSync(join(tmpdir(), 'pen-bench-'));
      try {
        const plain = bench.competitors.find(({ kind }) => kind === 'ours');
        if (plain === undefined) throw new Error('one of our own engines must take part');
        const competitors = [plain, logs(plain, 'pen', folder), logs(plain, 'json', folder)];
        const results = await contest(bench, { competitors, connections: 64, perConnection });
        const title = perConnection ? 'Logging, a connection per request' : 'Logging, kept-alive connections';
        return contestSection({ name, title, question }, results, [
          { of: `${plain.id}+pen`, to: plain.id, field: 'perSecond', limit: 1 - SHARE },
          { of: `${plain.id}+json`, to: plain.id, field: 'perSecond', limit: 1 - SHARE },
        ]);
      } finally {
        rmSync(folder, { recursive: true, force: true });
      }
    },
  };
}

/**
 * The same with a log.
 * @param {import('../rivals/rivals.js').Competitor} competitor
 * @param {string} format
 * @param {string} folder
 * @returns {import('../rivals/rivals.js').Competitor}
 */
function logs(competitor, format, folder) {
  const { command, id, label } = competitor;
  return {
    ...competitor,
    id: `${id}+${format}`,
    label: `${label}, ${format} log`,
    command:
      command &&
      ((setup) => {
        const { file, args } = command(setup);
        return { file, args: [...args, '-l', join(folder, `${format}.log`), '-O', `log_format ${format}`] };
      }),
  };
}
