/** Settings that are a number: asked for without an argument, set with one, answered with the value in force. */
import { MAX_ACLS, MAX_CLIENTS, MAX_CONNECTIONS, type Settings } from '../../core/configuration.js';
import { integer, MAX_INT, optional } from '../argument.js';
import { type Command, type Section, setting } from '../command.js';
import type { Draft } from '../draft.js';
import { CommandError } from '../errors.js';

type NumberKey = { [K in keyof Settings]: Settings[K] extends number ? K : never }[keyof Settings];

interface NumberRow {
  readonly name: string;
  readonly key: NumberKey;
  readonly argument?: string;
  readonly min?: number;
  readonly max?: number;
  readonly section: Section;
  readonly help: string;
  readonly isNew?: boolean;
  /** The reply; `N` and a newline unless given. */
  reply?(value: number): string;
  /** Sets it where a plain assignment is not enough. */
  set?(draft: Draft, value: number): void;
}

const LAST_ACL = MAX_ACLS - 1;

const rows: readonly NumberRow[] = [
  {
    name: 'blacklist',
    key: 'blacklistSec',
    argument: 'T',
    section: 'Servers',
    help: 'seconds for which a server that failed is left alone',
  },
  {
    name: 'timeout',
    key: 'connectTimeoutSec',
    argument: 'T',
    min: 1,
    section: 'Servers',
    help: 'seconds after which connecting to a server has failed',
  },
  {
    name: 'tracking',
    key: 'trackingSec',
    argument: 'T',
    section: 'Clients and ACLs',
    help: 'seconds for which the server of a client is remembered, 0 = for ever',
  },
  { name: 'debug', key: 'debug', max: 99, section: 'Running', help: 'how much is logged, 0 = what matters' },
  {
    name: 'clients_max',
    key: 'clientsMax',
    min: 1,
    max: MAX_CLIENTS,
    section: 'Clients and ACLs',
    help: 'clients that are remembered; a running pen only grows it',
    set: (draft, value) => {
      draft.settings.clientsMax = Math.max(value, draft.floors.clientsMax);
    },
  },
  {
    name: 'conn_max',
    key: 'connectionsMax',
    min: 1,
    max: MAX_CONNECTIONS,
    section: 'Connections',
    help: 'connections at a time, more wait in the listen queue; a running pen only grows it',
    set: (draft, value) => {
      draft.settings.connectionsMax = Math.max(value, draft.floors.connectionsMax);
    },
  },
  {
    name: 'client_acl',
    key: 'clientAcl',
    max: LAST_ACL,
    section: 'Clients and ACLs',
    help: 'the ACL that says which clients may use the servers',
  },
  {
    name: 'control_acl',
    key: 'controlAcl',
    max: LAST_ACL,
    section: 'Clients and ACLs',
    help: 'the ACL that says who may use the TCP control port',
  },
  {
    name: 'idle_timeout',
    key: 'idleTimeoutSec',
    section: 'Connections',
    help: 'seconds without a byte after which a connection is closed, 0 = never',
    reply: (value) => `Idle timeout: ${value} seconds\n`,
  },
  {
    name: 'head_timeout',
    key: 'headTimeoutSec',
    argument: 'T',
    section: 'Connections',
    help: 'seconds that the head of a request, a PROXY header or the bytes for peek may take, 0 = any time',
    isNew: true,
  },
  {
    name: 'proxy_acl',
    key: 'proxyAcl',
    min: -1,
    max: LAST_ACL,
    section: 'Clients and ACLs',
    help: 'the ACL of proxies, whose connections begin with a PROXY header that names the client; -1 = none',
    isNew: true,
  },
  {
    name: 'tarpit_acl',
    key: 'tarpitAcl',
    min: -1,
    max: LAST_ACL,
    section: 'Clients and ACLs',
    help: 'direct server return: the ACL of addresses that nobody has and that answer every SYN, so as to hold who tries them; -1 = none',
    reply: (value) => `tarpit_acl = ${value}`,
  },
  {
    name: 'multi_accept',
    key: 'acceptBatch',
    min: 1,
    max: 65_536,
    section: 'Connections',
    help: 'connections accepted in one go (-m)',
    isNew: true,
  },
  {
    name: 'listen_backlog',
    key: 'listenBacklog',
    min: 1,
    max: 65_535,
    section: 'Connections',
    help: 'length of the listen queue, from the next listen on (-q)',
    isNew: true,
  },
  {
    name: 'udp_timeout',
    key: 'udpTimeoutSec',
    argument: 'SEC',
    min: 1,
    section: 'UDP',
    help: 'seconds without a datagram after which a session is over',
    isNew: true,
  },
  {
    name: 'udp_responses',
    key: 'udpResponses',
    section: 'UDP',
    help: 'answers to each datagram of the client after which a session is over, 0 = only silence ends it',
    isNew: true,
  },
  {
    name: 'udp_expect',
    key: 'udpExpectSec',
    argument: 'SEC',
    section: 'UDP',
    help: 'seconds within which a server must answer somebody once it has been asked, else it has failed; 0 = it need not',
    isNew: true,
  },
];

/** `idlers` answers with what there is, too; `pending_max` answers nothing. */
const others: readonly Command[] = [
  setting({
    name: 'idlers',
    arguments: [optional(integer('N', 0, MAX_CONNECTIONS))],
    section: 'Connections',
    help: 'connections to servers that are kept open ahead of demand: have/wanted',
    run({ draft, service }, wanted) {
      if (wanted !== undefined) {
        const limit = draft.settings.connectionsMax;
        if (wanted > limit) throw new CommandError(`${wanted} is more than conn_max, ${limit}`);
        draft.settings.idlers = wanted;
      }
      return `Idlers: ${service.idlers()}/${draft.settings.idlers}\n`;
    },
  }),
  setting({
    name: 'pending_max',
    arguments: [integer('N', 1, MAX_INT)],
    section: 'Servers',
    help: 'connects in progress beyond which a server takes no new client',
    run({ draft }, limit) {
      draft.settings.pendingMax = limit;
      return undefined;
    },
  }),
];

export const numberCommands: readonly Command[] = [...rows.map(numberCommand), ...others];

function numberCommand(row: NumberRow): Command {
  return setting({
    name: row.name,
    arguments: [optional(integer(row.argument ?? 'N', row.min ?? 0, row.max ?? MAX_INT))],
    section: row.section,
    help: row.help,
    isNew: row.isNew ?? false,
    run({ draft }, value) {
      if (value !== undefined && row.set) row.set(draft, value);
      else if (value !== undefined) draft.settings[row.key] = value;
      const inForce = draft.settings[row.key];
      return row.reply ? row.reply(inForce) : `${inForce}\n`;
    },
  });
}
