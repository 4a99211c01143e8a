/** Reports on disk: the dated page, its charts and data, and the newest one's place in the README. */
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { chartFile, svg } from './chart.js';
import { ROOT } from './machine.js';
import { page, summary } from './table.js';

const BEGIN = '<!-- bench: begin -->';
const END = '<!-- bench: end -->';

/** The charts that the README shows, as one picture. */
const OVERVIEW = ['keep-alive', 'connection', 'bulk'];

/**
 * Writes page, charts and data into `out`; without one into bench/results, and the summary into the README.
 * @param {import('./report.js').Report} report
 * @param {string | undefined} out
 */
export function writeResults(report, out) {
  const folder = out ?? join(ROOT, 'bench/results');
  mkdirSync(folder, { recursive: true });
  const write = (/** @type {string} */ name, /** @type {string} */ text) => writeFileSync(join(folder, name), text);
  write(`${report.date}.md`, page(report));
  write(
    `${report.date}.json`,
    `${JSON.stringify(report, (_, value) => (typeof value === 'number' ? short(value) : value))}\n`,
  );
  for (const { name, charts } of report.sections) {
    for (const [i, chart] of charts.entries()) write(chartFile(report, name, i), svg([chart]));
  }
  const overview = report.sections.filter(({ name }) => OVERVIEW.includes(name)).flatMap(({ charts }) => charts);
  if (overview.length > 0) write(chartFile(report, 'overview'), svg(overview));
  if (out === undefined) putIntoReadme(summary(report));
  else write('summary.md', summary(report));
}

/** @param {string} text */
function putIntoReadme(text) {
  const file = join(ROOT, 'README.md');
  const readme = readFileSync(file, 'utf8');
  const [begin, end] = [readme.indexOf(BEGIN), readme.indexOf(END)];
  if (begin < 0 || end < begin)
    throw new Error(`cannot put the results into README.md: no "${BEGIN}" ... "${END}" in it`);
  writeFileSync(file, `${readme.slice(0, begin + BEGIN.length)}\n${text}${readme.slice(end)}`);
}

/** @param {number} value */
function short(value) {
  return Number.isFinite(value) ? Number(value.toPrecision(6)) : null;
}
