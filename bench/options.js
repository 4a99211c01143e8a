/** The command line: `npm run bench [-- CASE...] [-- --rounds N ...]`. */
import { parseArgs } from 'node:util';

/**
 * @typedef {object} Options
 * @property {string[]} cases names of cases; empty = all
 * @property {number} rounds
 * @property {number} seconds of load per competitor and round
 * @property {string[]} rivals ids of competitors; empty = all
 * @property {string[]} against other checkouts, built, whose engines compete too
 * @property {boolean | undefined} write the results; undefined = if the run was a full one
 * @property {string | undefined} out folder for the results instead of bench/results; the README is left alone
 * @property {string | undefined} render results (JSON) to lay out again, without measuring
 */

export const DEFAULT_ROUNDS = 5;
export const DEFAULT_SECONDS = 2;

export const USAGE = `usage: npm run bench [-- CASE...] [-- OPTION...]

  --rounds N        rounds, in each of which every competitor has its turn (${DEFAULT_ROUNDS})
  --seconds S       seconds of load per turn, whole (${DEFAULT_SECONDS})
  --rivals A,B      only these: uring epoll poll node pen haproxy nginx dnsdist direct
  --against DIR     another checkout, built: its engines compete as "ENGINE@DIR", and are
                    the yardstick if there are no rivals; may be repeated
  --write           write results and README even if the run was not a full one
  --no-write        print only
  --out DIR         write the results there, leave the README alone
  --render FILE     lay out results (JSON) again, measure nothing
`;

/**
 * Throws an Error with one line on what is wrong.
 * @param {string[]} args
 * @param {string[]} caseNames
 * @returns {Options | 'help'}
 */
export function parseOptions(args, caseNames) {
  const { values, positionals } = parseArgs({
    args: args.filter((arg) => arg !== '--'),
    allowPositionals: true,
    options: {
      rounds: { type: 'string', default: String(DEFAULT_ROUNDS) },
      seconds: { type: 'string', default: String(DEFAULT_SECONDS) },
      rivals: { type: 'string', default: '' },
      against: { type: 'string', multiple: true, default: [] },
      write: { type: 'boolean' },
      'no-write': { type: 'boolean' },
      out: { type: 'string' },
      render: { type: 'string' },
      help: { type: 'boolean', short: 'h' },
    },
  });
  if (values.help) return 'help';
  for (const name of positionals) {
    if (!caseNames.includes(name)) throw new Error(`no case '${name}' (there are: ${caseNames.join(', ')})`);
  }
  const whole = (/** @type {'rounds' | 'seconds'} */ name) => {
    const number = Number(values[name]);
    if (!Number.isInteger(number) || number < 1)
      throw new Error(`--${name} '${values[name]}' is no whole number above 0`);
    return number;
  };
  return {
    cases: positionals,
    rounds: whole('rounds'),
    seconds: whole('seconds'),
    rivals: values.rivals.split(',').filter((id) => id !== ''),
    against: values.against,
    write: values.write ? true : values['no-write'] ? false : undefined,
    out: values.out,
    render: values.render,
  };
}
