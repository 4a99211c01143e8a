/** The command line of `pen transparent-setup`: grammar only. */
import { type IpWords, parseIp } from '../../core/address.js';
import { UsageError } from '../errors.js';
import { defaultSetup, type Interception } from './setup.js';

export type Action = 'print' | 'apply' | 'undo' | 'check' | 'help';

export interface SetupArguments {
  readonly action: Action;
  readonly table: number;
  readonly mark: number;
  readonly interceptions: readonly Interception[];
  readonly from: string | undefined;
  /** Addresses of clients for --check. */
  readonly clients: readonly IpWords[];
  /** SERVER operands as typed. */
  readonly servers: readonly string[];
}

export const SETUP_USAGE = `usage: pen transparent-setup --print|--apply|--undo|--check [options] [SERVER...]

Sets this host up for "transparent": the servers' replies to clients are brought to pen.
  --print            show what --apply would do, as a script for a shell
  --apply            do it, all of it or nothing; again changes nothing
  --undo             take away what --apply has made
  --check            look at everything that is needed and try each SERVER (HOST:PORT);
                     says what to type where something is missing, with status 1

Options:
  --table N          routing table to use, 1 to 4294967295 (${defaultSetup.table}); FreeBSD: number of the ipfw rules
  --mark N           mark of the packets, 0x for hexadecimal (0x${defaultSetup.mark.toString(16)})
  --listen PORT[:PEN_PORT]|udp:PORT
                     also bring what clients send to PORT of any host to the pen on
                     PEN_PORT, which has "transparent listen"; repeatable
  --from INTERFACE   only what comes in there is brought by --listen
  --client ADDRESS   the client that --check pretends to be; one of each family

FreeBSD and OpenBSD name the SERVERs in their rules. Linux sets up both families.
`;

/** Reads `argv` (after the word itself). Throws UsageError. */
export function parseSetupArguments(argv: readonly string[]): SetupArguments {
  const { table, mark } = defaultSetup;
  const draft = {
    action: undefined as Action | undefined,
    table,
    mark,
    interceptions: [] as Interception[],
    from: undefined as string | undefined,
    clients: [] as IpWords[],
    servers: [] as string[],
  };
  const words = argv.values();
  const value = (option: string, name: string): string => {
    const { value: next } = words.next();
    if (next === undefined || next === '') throw new UsageError(`${option}: needs a value, ${name} (see --help)`);
    return next;
  };
  for (const word of words) {
    switch (word) {
      case '--help':
      case '--print':
      case '--apply':
      case '--undo':
      case '--check':
        if (draft.action !== undefined) throw new UsageError(`one of --${draft.action} and ${word}, not both`);
        draft.action = word.slice(2) as Action;
        break;
      case '--table':
        draft.table = number(word, value(word, 'N'));
        // RT_TABLE_DEFAULT, RT_TABLE_MAIN, RT_TABLE_LOCAL of <linux/rtnetlink.h>.
        if (draft.table >= 253 && draft.table <= 255)
          throw new UsageError(`--table: ${draft.table} is the system's own`);
        break;
      case '--mark':
        draft.mark = number(word, value(word, 'N'));
        break;
      case '--listen':
        draft.interceptions.push(interception(value(word, 'PORT[:PEN_PORT] or udp:PORT')));
        break;
      case '--from':
        draft.from = device(value(word, 'INTERFACE'));
        break;
      case '--client':
        draft.clients.push(client(value(word, 'ADDRESS')));
        break;
      default:
        if (word.startsWith('-')) throw new UsageError(`unknown option ${word} (see pen transparent-setup --help)`);
        draft.servers.push(word);
    }
  }
  const { action } = draft;
  if (action === undefined) throw new UsageError('expected --print, --apply, --undo or --check (see --help)');
  return { ...draft, action };
}

function number(option: string, text: string): number {
  const value = /^(0x[0-9a-f]{1,8}|\d{1,10})$/i.test(text) ? Number(text) : Number.NaN;
  if (value >= 1 && value < 2 ** 32) return value;
  throw new UsageError(`${option}: expected a number from 1 to 4294967295, got '${text}'`);
}

function interception(text: string): Interception {
  const match = /^(?:(tcp|udp):)?(\d{1,5})(?::(\d{1,5}))?$/.exec(text);
  const port = Number(match?.[2]);
  const penPort = Number(match?.[3] ?? port);
  if (match === null || !isPort(port) || !isPort(penPort)) {
    throw new UsageError(`--listen: expected PORT[:PEN_PORT] or udp:PORT, got '${text}'`);
  }
  // An answer of UDP leaves from the listener's port, and the client waits for one from the port that it asked.
  if (match[1] === 'udp' && penPort !== port)
    throw new UsageError(`--listen: for UDP pen must listen on ${port} itself`);
  return { protocol: match[1] === 'udp' ? 'udp' : 'tcp', port, penPort };
}

function isPort(value: number): boolean {
  return value >= 1 && value <= 65_535;
}

/** What can be an interface's name (IFNAMSIZ, dev_valid_name) and needs no quoting in any rule. */
function device(text: string): string {
  if (/^[A-Za-z0-9][A-Za-z0-9_.@-]{0,14}$/.test(text)) return text;
  throw new UsageError(`--from: '${text}' is no name of an interface`);
}

function client(text: string): IpWords {
  const words = parseIp(text);
  if (words === undefined) throw new UsageError(`--client: '${text}' is no IP address`);
  return words;
}
