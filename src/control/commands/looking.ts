/** Looking: what the balancer does and why, as text for people and, with --json, for programs. */
import { parseIp } from '../../core/address.js';
import { type Argument, asJson, parseInteger, takeWord } from '../argument.js';
import { action, type Command, jsonReply } from '../command.js';
import { CommandError, quoted } from '../errors.js';
import { explain, explanationText } from '../explain.js';
import type { Service } from '../service.js';
import { clientOf, takeClients, takeConnections } from '../snapshot.js';
import { endpointText, MAX_ROWS, stateText } from '../statistics.js';
import { textTable } from '../text-table.js';
import { explainPacket } from './dsr.js';

/** Part of an address; `--json` is none. */
const part: Argument<string | undefined> = {
  usage: '[ADDRESS]',
  isOptional: true,
  take: (words) => (words.isEmpty || words.peek().startsWith('--') ? undefined : words.next()),
};

/** What to explain: a client's address, a row of the server table, or a packet. */
const subject: Argument<{ client?: string; server?: number; packet?: readonly [string, string, string?] }> = {
  usage: '[ADDRESS|server N|SRC[:PORT] DST[:PORT] [tcp|udp]]',
  isOptional: true,
  take(words) {
    const first = words.peek();
    if (words.isEmpty || first.startsWith('--')) return {};
    words.next();
    if (first === 'server') return { server: parseInteger(takeWord(words, 'N'), 0, 65_535) };
    const next = () => (words.peek().startsWith('--') ? undefined : words.next());
    const destination = next();
    return destination === undefined ? { client: first } : { packet: [first, destination, next()] };
  },
};

export const lookingCommands: readonly Command[] = [
  action({
    name: 'clients',
    arguments: [part, asJson],
    section: 'Looking',
    help: 'clients by last visit, those whose address contains ADDRESS; a thousand at most',
    isNew: true,
    async run({ service }, text, json) {
      const { clients } = service.dataPlane;
      const now = service.monotonicMs();
      const rows =
        text === undefined
          ? takeClients(clients, now)
          : (await service.clientWalks.find(clients, text, MAX_ROWS)).map((record) => clientOf(record, now));
      if (json) return jsonReply(rows);
      return textTable(
        ['client', 'address', 'seen (s)', 'server', 'connects', 'sent', 'received'],
        rows.map((row) => Object.values(row)),
      );
    },
  }),
  action({
    name: 'connections',
    arguments: [part, asJson],
    section: 'Looking',
    help: 'connections in use, those whose client address contains ADDRESS; a thousand at most',
    isNew: true,
    run({ service }, text, json) {
      const rows = takeConnections(service.dataPlane, service.monotonicMs(), text);
      if (json) return jsonReply(rows);
      return textTable(
        ['connection', 'state', 'from', 'age (s)', 'client', 'server'],
        rows.map((row) => [row.connection, row.state, row.peer, row.ageSec ?? '', row.client, row.server]),
      );
    },
  }),
  action({
    name: 'events',
    arguments: [asJson],
    section: 'Looking',
    help: 'what has happened: servers that failed and returned, what was changed, what pen warned of; the last 500',
    isNew: true,
    run({ service }, json) {
      const events = service.observer.events.since(0);
      if (json) return jsonReply(events);
      return events.map(({ timeMs, text }) => `${new Date(timeMs).toISOString()} ${text}\n`).join('');
    },
  }),
  action({
    name: 'explain',
    arguments: [subject, asJson],
    section: 'Looking',
    help: 'which server a client would get and why; how a server fares and what happened to it; with direct server return where a packet would go',
    isNew: true,
    async run({ service }, { client, server, packet }, json) {
      if (packet) {
        const text = await explainPacket(service, ...packet);
        return json ? jsonReply({ answer: text.trim() }) : text;
      }
      if (server !== undefined) return explainServer(service, server, json);
      if (service.dataPlane.frames)
        throw new CommandError('expected SRC[:PORT] DST[:PORT] [tcp|udp] (pen returns directly)');
      const address = client === undefined ? undefined : parseIp(client);
      if (client !== undefined && !address) throw new CommandError(`${quoted(client)} is no IP address`);
      const explanation = await explain(service.published, service.dataPlane, service.monotonicMs(), address);
      return json ? jsonReply(explanation) : explanationText(explanation);
    },
  }),
];

function explainServer(service: Service, slot: number, json: boolean): string {
  const row = service.views.server(slot);
  if (!row) throw new CommandError(`there is no server ${slot}`);
  const events = service.observer.events.since(0).filter((event) => event.server === slot);
  if (json) return jsonReply({ ...row, events });
  const { lastFailure } = row;
  const failures = Object.entries(row.failures).filter(([, count]) => count > 0);
  return [
    `server ${slot} ${endpointText(row)}: ${stateText(row)}, ${row.connections} connections, ${row.connects} connects`,
    `failed connects: ${failures.map(([cause, count]) => `${count} ${cause}`).join(', ') || 'none'}`,
    ...(lastFailure ? [`last failure: ${lastFailure.error}, ${lastFailure.agoSec} s ago`] : []),
    ...events.map(({ timeMs, text }) => `${new Date(timeMs).toISOString()} ${text}`),
    '',
  ].join('\n');
}
