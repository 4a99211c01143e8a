/** A contest's results as a section: table, chart of the CPU time, claims. */
import { bestRival, ratioOf, values } from './contest.js';
import { duration, figure, megabytes, percent, ratioTarget, ratioText } from './report.js';
import { median, spread } from './statistics.js';

/**
 * @typedef {object} Claim
 * @property {string} of id of one of ours; `ours` = the engine that Pen takes by itself
 * @property {string} to id of a rival; `best` = the best of them
 * @property {'cpuUs' | 'perSecond'} field
 * @property {number} limit times the rival's; at most for CPU time, at least for requests
 */

/**
 * @param {object} text
 * @param {string} text.name
 * @param {string} text.title
 * @param {string} text.question
 * @param {string[]} [text.notes]
 * @param {string} [text.unit] what is asked for: `request`
 * @param {string} [text.of] the same, told from the other cases
 * @param {import('./contest.js').Result[]} results
 * @param {Claim[]} claims
 * @returns {import('./report.js').Section}
 */
export function contestSection({ name, title, question, notes = [], unit = 'request', of = unit }, results, claims) {
  const best = { cpuUs: bestRival(results, 'cpuUs'), perSecond: bestRival(results, 'perSecond') };
  const middle = (
    /** @type {import('./contest.js').Result} */ result,
    /** @type {keyof import('./contest.js').Turn} */ field,
  ) => median(values(result, field));
  const ratio = (/** @type {import('./contest.js').Result} */ result, /** @type {'cpuUs' | 'perSecond'} */ field) => {
    const rival = best[field];
    return rival && ratioText(ratioOf(result, rival, field));
  };
  const errors = results.filter((result) => values(result, 'errors').some((count) => count > 0));
  return {
    name,
    title,
    question,
    notes: [
      ...notes,
      ...(best.cpuUs && best.perSecond
        ? [`Best rival: ${best.cpuUs.competitor.label} in CPU time, ${best.perSecond.competitor.label} in ${unit}s/s.`]
        : []),
      ...errors.map(
        (result) => `${result.competitor.label}: failed ${unit}s, by round: ${values(result, 'errors').join(', ')}.`,
      ),
    ],
    tables: [
      {
        columns: [
          ...['', `${unit}s/s`, `CPU per ${unit}`, 'core busy', 'p50', 'p99', 'peak memory'],
          ...[`CPU, times best rival`, `${unit}s/s, times best rival`],
        ],
        rows: results.map((result) => [
          result.competitor.kind === 'ours' ? `**${result.competitor.label}**` : result.competitor.label,
          figure(middle(result, 'perSecond')),
          duration(middle(result, 'cpuUs')),
          percent(middle(result, 'busy')),
          duration(middle(result, 'p50Us')),
          duration(middle(result, 'p99Us')),
          megabytes(result.peak),
          ratio(result, 'cpuUs') ?? '–',
          ratio(result, 'perSecond') ?? '–',
        ]),
      },
    ],
    charts: [
      {
        kind: 'bars',
        title,
        column: `CPU us per ${of}`,
        unit: `CPU time of the balancer per ${unit}, microseconds (less is better)`,
        bars: results
          .filter((result) => Number.isFinite(middle(result, 'cpuUs')))
          .map((result) => ({
            label: result.competitor.label,
            isOurs: result.competitor.kind === 'ours',
            ...spread(values(result, 'cpuUs')),
          })),
      },
    ],
    targets: claims.flatMap(({ of, to, field, limit }) => {
      const one = results.find(({ competitor }) => (of === 'ours' ? competitor.kind === 'ours' : competitor.id === of));
      const other = to === 'best' ? best[field] : results.find(({ competitor }) => competitor.id === to);
      if (!one || !other) return [];
      const measure = field === 'cpuUs' ? `CPU per ${unit}` : `${unit}s/s`;
      const whom = to === 'best' ? `best rival (${other.competitor.label})` : other.competitor.label;
      const claim = `${title}: ${measure} of ${one.competitor.label} against ${whom}`;
      return [ratioTarget(claim, ratioOf(one, other, field), field === 'cpuUs' ? '<=' : '>=', limit)];
    }),
    samples: results.map(({ competitor, turns, peak }) => ({ id: competitor.id, peak, turns })),
  };
}
