/** The one table of options: parser, --help and the man page's test read it. Sorted as `--help` shows it. */
import { defaultSettings, type Settings } from '../core/configuration.js';
import { UsageError } from './errors.js';
import type { OptionsDraft, Surroundings } from './options.js';

export interface OptionRow {
  readonly flag: string;
  /** Name of the value it takes; undefined if it takes none. */
  readonly value: string | undefined;
  readonly help: string;
  /** What it will do, with its verb, while that is not built: "TLS is". */
  readonly later: string | undefined;
  readonly isObsolete: boolean;
  take(draft: OptionsDraft, value: string, where: Surroundings): void;
}

export interface LongOptionRow {
  readonly name: 'check' | 'help' | 'version';
  readonly help: string;
}

export const LONG_OPTIONS: readonly LongOptionRow[] = [
  { name: 'check', help: 'check the command line and the -F file, then exit: 0 if good, else 1' },
  { name: 'help', help: 'show this help and exit' },
  { name: 'version', help: 'show the version and exit' },
];

/** What -L takes, and the ssl_option that it stands for. */
const PROTOCOLS = new Map([
  ['ssl23', ''],
  ['ssl3', ''],
  ['tls1', ''],
  ['tls1.2', 'no_tlsv1.3'],
  ['tls1.3', 'no_tlsv1.2'],
]);

export const OPTIONS: readonly OptionRow[] = [
  file('A', 'DIR', 'ssl_ca_path', 'directory of CA certificates for clients'),
  server('B', 'abuse_server', 'abuse server, for clients that client_acl denies'),
  text('C', 'PORT|PATH', 'control', 'control port (as root only with -u) or Unix socket'),
  obsolete('D', undefined, 'delayed forwarding is gone'),
  file('E', 'FILE', 'ssl_certificate', 'certificate (with chain and key), PEM; repeatable'),
  text('F', 'FILE', 'configFile', 'configuration file in penctl language, read again on HUP'),
  file('G', 'FILE', 'ssl_ca_file', 'file of CA certificates for clients'),
  toggle('H', 'http', 'add X-Forwarded-For and X-Forwarded-Proto to HTTP requests'),
  file('K', 'FILE', 'ssl_key', 'key, PEM; repeatable'),
  {
    ...row('L', 'PROTOCOL', 'ssl23 (TLS 1.2 and 1.3), tls1.2 or tls1.3; older ones are refused'),
    take(draft, protocol) {
      const option = PROTOCOLS.get(protocol);
      if (option === undefined) {
        throw new UsageError(`-L: expected ${[...PROTOCOLS.keys()].join(', ')}, got '${protocol}'`);
      }
      if (option !== '') draft.commands.push({ option: '-L', line: `ssl_option ${option}` });
      if (protocol === 'ssl3' || protocol === 'tls1') {
        draft.warnings.push(`-L ${protocol}: broken (RFC 7568, RFC 8996) and not spoken, TLS 1.2 and 1.3 are`);
      }
    },
  },
  obsolete('N', undefined, 'use -h with -r'),
  command('O', 'any penctl command, as in -O "idle_timeout 60"; repeatable'),
  toggle('P', 'poll', 'use poll'),
  obsolete('Q', undefined, 'the best engine is chosen without it'),
  toggle('R', 'ssl_verify required', 'require a valid client certificate'),
  obsolete('S', 'N', 'the server table grows on demand'),
  number('T', 'SECONDS', 'tracking', 'trackingSec', 'remember a client that long, 0 = for ever'),
  toggle('U', 'udp', 'balance UDP instead of TCP'),
  toggle('W', 'weight', 'select by weight'),
  flag('X', 'allowExit', 'let the control command "exit" end pen'),
  toggle('Z', 'ssl_option compatible', 'TLS with work-arounds for defects of old programs'),
  later('a', undefined, 'debugging dumps are', 'ASCII in debugging dumps'),
  number('b', 'SECONDS', 'blacklist', 'blacklistSec', 'leave a failing server alone that long'),
  number('c', 'N', 'clients_max', 'clientsMax', 'clients to remember'),
  {
    ...row('d', undefined, 'debug, repeatable'),
    take(draft) {
      draft.debug += 1;
      draft.commands.push({ option: '-d', line: `debug ${draft.debug}` });
    },
  },
  server('e', 'emergency', 'emergency server, for when no other takes a client'),
  flag('f', 'foreground', 'stay in the foreground'),
  toggle('h', 'hash', 'select by a hash of the client address, with -r of its port too'),
  later('i', 'NAME', 'the Windows service is', 'Windows: install as a service'),
  text('j', 'DIR', 'root', 'confine the process to this directory (chroot)'),
  {
    ...row('l', 'FILE|HOST:PORT', 'log requests and connections to a file or to penlogd'),
    take(draft, target) {
      draft.commands.push({ option: '-l', line: `log ${oneLine('l', target)}` });
    },
  },
  number('m', 'N', 'multi_accept', 'acceptBatch', 'accept up to N connections at a time'),
  obsolete('n', undefined, 'sockets never block'),
  command('o', 'the same as -O'),
  text('p', 'FILE', 'pidFile', 'write the process number here, remove it on exit'),
  number('q', 'N', 'listen_backlog', 'listenBacklog', 'length of the listen queue'),
  toggle('r', 'roundrobin', 'round robin: do not track clients'),
  toggle('s', 'stubborn', 'stubborn: no failover'),
  number('t', 'SECONDS', 'timeout', 'connectTimeoutSec', 'give up connecting to a server after that time'),
  {
    ...row('u', 'USER', 'drop privileges to this user'),
    take(draft, value, where) {
      if (where.platform === 'win32') throw new UsageError('-u: the Windows service is not available yet');
      draft.user = value;
    },
  },
  {
    ...row('w', 'FILE', 'HTML status page, written on USR1'),
    take(draft, file) {
      draft.commands.push({ option: '-w', line: `web_stats ${oneLine('w', file)}` });
    },
  },
  number('x', 'N', 'conn_max', 'connectionsMax', 'connections at a time'),
];

type TextKey = 'configFile' | 'control' | 'pidFile' | 'root';
type NumberKey = { [K in keyof Settings]: Settings[K] extends number ? K : never }[keyof Settings];

function row(name: string, value: string | undefined, help: string): OptionRow {
  return { flag: name, value, help, later: undefined, isObsolete: false, take() {} };
}

function text(name: string, value: string, key: TextKey, help: string): OptionRow {
  return {
    ...row(name, value, help),
    take(draft, given) {
      draft[key] = given;
    },
  };
}

function file(name: string, value: string, word: string, help: string): OptionRow {
  return {
    ...row(name, value, help),
    take(draft, given) {
      draft.commands.push({ option: `-${name}`, line: `${word} ${oneLine(name, given)}` });
    },
  };
}

function flag(name: string, key: 'allowExit' | 'foreground', help: string): OptionRow {
  return {
    ...row(name, undefined, help),
    take(draft) {
      draft[key] = true;
    },
  };
}

function toggle(name: string, word: string, help: string): OptionRow {
  return {
    ...row(name, undefined, help),
    take(draft) {
      draft.commands.push({ option: `-${name}`, line: word });
    },
  };
}

function number(name: string, value: string, word: string, key: NumberKey, help: string): OptionRow {
  return {
    ...row(name, value, `${help} (${defaultSettings[key]})`),
    take(draft, given) {
      if (!/^\d+$/.test(given)) throw new UsageError(`-${name}: expected a whole number, got '${given}'`);
      draft.commands.push({ option: `-${name}`, line: `${word} ${given}` });
    },
  };
}

function server(name: string, word: string, help: string): OptionRow {
  return {
    ...row(name, 'HOST:PORT', help),
    take(draft, given) {
      draft.commands.push({ option: `-${name}`, line: `${word} ${oneLine(name, given)}` });
    },
  };
}

function command(name: string, help: string): OptionRow {
  return {
    ...row(name, 'COMMAND', help),
    take(draft, line) {
      draft.commands.push({ option: `-${name} "${line}"`, line: oneLine(name, line) });
    },
  };
}

function oneLine(name: string, value: string): string {
  if (/[\r\n]/.test(value)) throw new UsageError(`-${name}: expected one line, got several`);
  return value;
}

function obsolete(name: string, value: string | undefined, why: string): OptionRow {
  return {
    ...row(name, value, `obsolete: ${why}`),
    isObsolete: true,
    take(draft) {
      draft.warnings.push(`-${name} is obsolete and does nothing: ${why}`);
    },
  };
}

function later(name: string, value: string | undefined, what: string, help: string): OptionRow {
  return { ...row(name, value, help), later: what };
}
