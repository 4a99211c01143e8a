/** What `pen --help` shows, made from the option table. */
import { LONG_OPTIONS, OPTIONS, type OptionRow } from './option-table.js';

const COLUMN = 20;

/** The whole text, ending with a newline. */
export function helpText(): string {
  const now = OPTIONS.filter((row) => row.later === undefined && !row.isObsolete);
  const laterRows = OPTIONS.filter((row) => row.later !== undefined);
  const obsolete = OPTIONS.filter((row) => row.isObsolete);
  const lines = [
    'usage: pen [options] LISTEN SERVER...',
    '       pen transparent-setup --print|--apply|--undo|--check (see its --help)',
    '',
    'Spreads the connections that arrive at LISTEN over the SERVERs.',
    '  LISTEN   [HOST:]PORT, or the path of a Unix socket',
    '  SERVER   HOST[:PORT[:MAX[:HARD[:WEIGHT[:PRIO]]]]], an IPv6 address in brackets;',
    '           PORT is the listening one unless given, MAX and HARD limit its connections',
    '',
    'Example: pen -f -h 8080 www1:80 www2:80 [2001:db8::3]:80',
    '',
    'Options (default), before or after the operands:',
    ...now.map(optionLine),
    ...LONG_OPTIONS.map((row) => `  ${`--${row.name}`.padEnd(COLUMN)}${row.help}`),
    '',
    'Not available yet:',
    ...laterRows.map(optionLine),
    '',
    'Accepted for old scripts, with a warning:',
    ...obsolete.map(optionLine),
    '',
    'Signals: HUP opens the log anew and reads the -F file again, USR1 writes statistics, TERM and INT end pen.',
  ];
  return `${lines.join('\n')}\n`;
}

function optionLine(row: OptionRow): string {
  const left = row.value === undefined ? `-${row.flag}` : `-${row.flag} ${row.value}`;
  return `  ${left.padEnd(COLUMN)}${row.help}`;
}
