/** The command line of `pen-decap`: grammar only. */
import { formatIp, type IpWords, parseIp } from '../core/address.js';
import { UsageError } from './errors.js';

export const DECAP_USAGE = `usage: pen-decap [options] IF

Takes packets for VIPs out of the tunnels (IPIP, GUE) that pen sends them in, on a server, at the interface IF.
Everything else passes untouched. Runs in the foreground until TERM or INT, which take it off the interface again.

  --vip ADDRESS      a VIP; may be repeated (all addresses on lo but 127.0.0.0/8 and ::1)
  --from ADDRESS     take packets from this balancer only; may be repeated (anybody: keep others out by a firewall)
  --mode native|generic   run in the driver or behind it (in the driver if that can)
  --check            see whether all is there, attach nothing: 0 if good, else 1
  --help, --version

USR1 prints the counters.
`;

export interface DecapArguments {
  readonly action: 'run' | 'check' | 'help' | 'version';
  readonly interfaceName: string;
  /** Empty: those on lo. */
  readonly vips: readonly IpWords[];
  /** Empty: anybody. */
  readonly from: readonly IpWords[];
  readonly mode: 'native' | 'generic' | undefined;
}

/** Throws a UsageError. */
export function parseDecapArguments(argv: readonly string[]): DecapArguments {
  const operands: string[] = [];
  const vips: IpWords[] = [];
  const from: IpWords[] = [];
  let action: DecapArguments['action'] = 'run';
  let mode: DecapArguments['mode'];
  for (let at = 0; at < argv.length; at++) {
    const [word, attached] = splitOption(argv[at]);
    const value = () => {
      const given = attached ?? argv[++at];
      if (given === undefined) throw new UsageError(`${word} needs a value (see pen-decap --help)`);
      return given;
    };
    if (word === '--help' || word === '--version')
      return { action: word === '--help' ? 'help' : 'version', interfaceName: '', vips, from, mode };
    if (word === '--check') action = 'check';
    else if (word === '--vip') vips.push(address(word, value()));
    else if (word === '--from') from.push(address(word, value()));
    else if (word === '--mode') mode = modeOf(value());
    else if (word.startsWith('-')) throw new UsageError(`unknown option '${word}' (see pen-decap --help)`);
    else operands.push(word);
  }
  if (operands.length !== 1)
    throw new UsageError(
      `expected one interface, got ${operands.length === 0 ? 'none' : `'${operands.join(' ')}'`} (see pen-decap --help)`,
    );
  return { action, interfaceName: operands[0], vips, from, mode };
}

function splitOption(word: string): [string, string | undefined] {
  const equals = word.startsWith('--') ? word.indexOf('=') : -1;
  return equals < 0 ? [word, undefined] : [word.slice(0, equals), word.slice(equals + 1)];
}

function address(option: string, text: string): IpWords {
  const parsed = parseIp(text);
  if (!parsed) throw new UsageError(`${option}: '${text}' is no IP address`);
  return parsed;
}

function modeOf(text: string): 'native' | 'generic' {
  if (text === 'native' || text === 'generic') return text;
  throw new UsageError(`--mode: expected native or generic, got '${text}'`);
}

/** Addresses for people. */
export function listOf(addresses: readonly IpWords[]): string {
  return addresses.map(formatIp).join(' ');
}
