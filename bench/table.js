/** Reports as Markdown. */
import { chartFile } from './chart.js';
import { figure } from './report.js';

/**
 * The dated page, charts beside it.
 * @param {import('./report.js').Report} report
 */
export function page(report) {
  return `# Benchmark, ${report.date}

${factList(report.facts)}

Every figure is the median over the rounds; ratios are formed within a round, with the least and the greatest in
parentheses. CPU time is the balancer's, all threads and processes. How it is measured: [bench/README.md](../README.md).
${claims(report)}${report.sections.map((section) => sectionText(report, section)).join('')}`;
}

/**
 * The part of the README, with links as seen from there.
 * @param {import('./report.js').Report} report
 */
export function summary(report) {
  const charts = report.sections.flatMap(({ charts }) => charts).filter((chart) => chart.kind === 'bars');
  const labels = [...new Set(charts.flatMap(({ bars }) => bars.map(({ label }) => label)))];
  const isOurs = (/** @type {string} */ label) =>
    charts.some(({ bars }) => bars.some((bar) => bar.isOurs && bar.label === label));
  const table = {
    columns: ['', ...charts.map(({ column }) => column)],
    rows: labels.map((label) => [
      isOurs(label) ? `**${label}**` : label,
      ...charts.map(({ bars }) => {
        const bar = bars.find((candidate) => candidate.label === label);
        return bar ? figure(bar.median) : '';
      }),
    ]),
  };
  const targets = report.sections.flatMap(({ targets }) => targets);
  const missed = targets.filter(({ met }) => !met);
  const verdict = `${targets.length - missed.length} of ${targets.length} targets are met${missed.length > 0 ? '; these are not:' : '.'}`;
  const shortfalls = missed.map(({ claim, measured }) => `- ${claim}: ${measured}\n`);
  return `${report.date}; ${report.facts.machine}; ${report.facts.cores}. The whole of it, with throughput,
latency and memory: [bench/results/${report.date}.md](bench/results/${report.date}.md).

![CPU time of the balancer, Pen beside others](bench/results/${chartFile(report, 'overview')})

${tableText(table)}
${verdict}
${shortfalls.length > 0 ? `\n${shortfalls.join('')}` : ''}`;
}

/** @param {import('./report.js').Table} table */
export function tableText({ title, columns, rows }) {
  const line = (/** @type {string[]} */ cells) => `| ${cells.join(' | ')} |\n`;
  const rule = columns.map((_, column) => (column === 0 ? '---' : '---:'));
  return `${title ? `${title}:\n\n` : ''}${line(columns)}${line(rule)}${rows.map(line).join('')}`;
}

/** @param {import('./report.js').Report} report */
function claims(report) {
  const targets = report.sections.flatMap(({ targets }) => targets);
  if (targets.length === 0) return '';
  const rows = targets.map(({ claim, measured, met }) => [claim, measured, met ? 'met' : '**missed**']);
  return `\n## Targets\n\n${tableText({ columns: ['', 'measured', ''], rows })}`;
}

/**
 * @param {import('./report.js').Report} report
 * @param {import('./report.js').Section} section
 */
function sectionText(report, { name, title, question, notes, tables, charts }) {
  const images = charts.map((_, i) => `\n![${title}](${chartFile(report, name, i)})\n`);
  const remarks = notes.map((note) => `\n${note}\n`);
  return `
## ${title}

${question}

${tables.map(tableText).join('\n')}${remarks.join('')}${images.join('')}`;
}

/** @param {Record<string, string>} facts */
function factList(facts) {
  return Object.entries(facts)
    .map(([name, value]) => `- ${name}: ${value}`)
    .join('\n');
}
