/** What a case reports: plain data, laid out by table.js and chart.js; and how figures are written. */

/** @typedef {import('./statistics.js').Spread} Spread */

/**
 * @typedef {object} Table
 * @property {string} [title]
 * @property {string[]} columns
 * @property {string[][]} rows a row whose first cell is in ** is one of ours
 */

/**
 * @typedef {object} Target a claim, and whether it holds
 * @property {string} claim
 * @property {string} measured
 * @property {boolean} met
 */

/**
 * @typedef {object} Section
 * @property {string} name
 * @property {string} title
 * @property {string} question
 * @property {string[]} notes
 * @property {Table[]} tables
 * @property {import('./chart.js').Chart[]} charts
 * @property {Target[]} targets
 * @property {unknown} samples the figures of each round
 */

/**
 * @typedef {object} Report
 * @property {string} date
 * @property {Record<string, string>} facts machine, versions
 * @property {Section[]} sections
 */

const NONE = '–';

/**
 * Three significant digits, thousands apart.
 * @param {number} value
 */
export function figure(value) {
  if (!Number.isFinite(value)) return NONE;
  if (Math.abs(value) >= 100) return Math.round(value).toLocaleString('en-US');
  return String(Number(value.toPrecision(3)));
}

/** @param {number} us */
export function duration(us) {
  if (!Number.isFinite(us)) return NONE;
  return us < 1000 ? `${figure(us)} us` : `${figure(us / 1000)} ms`;
}

/** @param {number} bytes */
export function megabytes(bytes) {
  return Number.isFinite(bytes) ? `${figure(bytes / 2 ** 20)} MB` : NONE;
}

/** @param {number} part */
export function percent(part) {
  return Number.isFinite(part) ? `${Math.round(part * 100)} %` : NONE;
}

/** @param {Spread | undefined} spread */
export function ratioText(spread) {
  if (spread === undefined || !Number.isFinite(spread.median)) return NONE;
  return `${spread.median.toFixed(2)} (${spread.min.toFixed(2)}–${spread.max.toFixed(2)})`;
}

/**
 * @param {string} claim
 * @param {Spread} ratio
 * @param {'<=' | '>='} sign
 * @param {number} limit
 * @returns {Target}
 */
export function ratioTarget(claim, ratio, sign, limit) {
  // Judged as it is printed.
  const median = Number(ratio.median.toFixed(2));
  const met = sign === '<=' ? median <= limit : median >= limit;
  return { claim: `${claim} ${sign} ${limit}x`, measured: ratioText(ratio), met };
}
