/** Settings that are on or off: `WORD` and `no WORD`, neither of which has a reply. */
import type { Settings } from '../../core/configuration.js';
import { choice } from '../argument.js';
import { type Command, type Section, setting } from '../command.js';
import { CommandError } from '../errors.js';

type SwitchKey = { [K in keyof Settings]: Settings[K] extends boolean ? K : never }[keyof Settings];

const SELECTION = 'Choosing a server';

const switches: ReadonlyArray<readonly [string, SwitchKey, Section, string]> = [
  ['abort_on_error', 'abortOnError', 'Running', 'end a fatal error with a core file'],
  ['dummy', 'dummy', 'Running', 'answer every request with a small page, without servers (for tests)'],
  [
    'hash',
    'hash',
    SELECTION,
    'the first server of a client follows from its address, with roundrobin from its port too',
  ],
  ['keepalive', 'keepalive', 'Connections', 'TCP keepalive on the sockets'],
  [
    'peek',
    'peek',
    SELECTION,
    'hear the first bytes of a client (TLS server name, HTTP Host), and choose among the servers with that name',
  ],
  ['prio', 'prio', SELECTION, 'the available server with the lowest prio takes the client'],
  ['roundrobin', 'roundRobin', SELECTION, 'clients are not tracked: servers take turns'],
  ['stubborn', 'stubborn', SELECTION, 'if the chosen server does not answer the connection is closed: no failover'],
  ['tcp_nodelay', 'tcpNodelay', 'Connections', 'TCP_NODELAY on the sockets'],
  ['weight', 'weight', SELECTION, 'the server with the fewest connections for its weight takes the client'],
];

export const switchCommands: readonly Command[] = [
  ...switches.flatMap(([name, key, section, help]) => [
    switchCommand(name, key, true, section, help),
    switchCommand(`no ${name}`, key, false, section, `off: ${help}`),
  ]),
  setting({
    name: 'tcp_fastclose',
    arguments: [
      {
        ...choice(['up', 'down', 'both', 'off'] as const),
        take(words, origin) {
          // The one wrong command that C Pen answers with a line of its own.
          const reply = words.isEmpty ? 'do_cmd: ignoring tcp_fastclose without argument\n' : undefined;
          if (reply) throw new CommandError('expected up, down, both or off', { reply });
          return choice(['up', 'down', 'both', 'off'] as const).take(words, origin);
        },
      },
    ],
    section: 'Connections',
    help: 'which end closing its direction closes the whole connection at once: the server (up), the client (down)',
    run({ draft }, side) {
      draft.settings.fastClose = side;
      return undefined;
    },
  }),
  setting({
    name: 'mode',
    section: SELECTION,
    help: 'the switches that decide how a server is chosen',
    run({ draft }) {
      return modeLine(draft.settings);
    },
  }),
];

function switchCommand(name: string, key: SwitchKey, value: boolean, section: Section, help: string): Command {
  return setting({
    name,
    section,
    help,
    run({ draft }) {
      draft.settings[key] = value;
      return undefined;
    },
  });
}

function modeLine({ hash, roundRobin, stubborn, weight, prio }: Settings): string {
  const words = Object.entries({ hash, roundrobin: roundRobin, stubborn, weight, prio });
  return `${words.map(([word, isOn]) => (isOn ? word : `no ${word}`)).join(' ')}\n`;
}
