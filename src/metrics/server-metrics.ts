/**
 * What Prometheus is told of each server. Labels: `server` is the row, `emergency` or `abuse`; `address` its endpoint.
 *
 * With a thousand servers this is 50,000 lines, for which the registry's general way (an object, arrays and a scan for
 * characters to escape a line) takes 75 ms. So it is done here: values of all servers are taken first, a row of them a server, and
 * then put into text that is kept (kept-text.ts). The format is the Prometheus text exposition format, version 0.0.4.
 */
import { collected, SMALL_SHARE } from '../control/piecemeal.js';
import { type CountedServer, endpointText, type ServerBrief } from '../control/statistics.js';
import { CAUSES, CONNECT_CLASSES_MS, COUNTS, ENDINGS, SESSION_CLASSES_MS } from '../core/meters.js';
import { type KeptText, TextDraft } from './kept-text.js';

/**
 * Bytes after which a piece of text ends: some 60 us to renew and as much to send. With smaller ones whoever reads is woken for
 * each, and that costs more than what is in them.
 */
const PIECE = 131_072;

interface Family {
  readonly head: string;
  /** Only for servers in direct server return. */
  readonly isDirect: boolean;
  /** What each line of a server begins with, as far as its labels. */
  readonly lines: readonly string[];
  /** Puts the values of the lines into a row, from `at` on. */
  put(server: CountedServer, row: Float64Array, at: number): void;
}

function single(name: string, type: string, help: string, value: (brief: ServerBrief) => number): Family {
  return {
    head: headOf(name, type, help),
    isDirect: false,
    lines: [`${name}{`],
    put: ({ brief }, row, at) => {
      row[at] = value(brief);
    },
  };
}

type Direct = NonNullable<ServerBrief['direct']>;

function direct(name: string, type: string, help: string, value: (direct: Direct) => number): Family {
  return { ...single(name, type, help, (brief) => (brief.direct ? value(brief.direct) : 0)), isDirect: true };
}

/** Counts by name: `cause="refused"`. */
function named(name: string, label: string, help: string, kinds: readonly string[], from: number): Family {
  return {
    head: headOf(name, 'counter', help),
    isDirect: false,
    lines: kinds.map((kind) => `${name}{${label}="${kind}",`),
    put: ({ counts }, row, at) => {
      for (let kind = 0; kind < kinds.length; kind++) row[at + kind] = counts[from + kind] as number;
    },
  };
}

/** Cumulative buckets in seconds, sum and count. */
function histogram(name: string, help: string, classesMs: readonly number[], from: number): Family {
  const bounds = [...classesMs.map((ms) => ms / 1000), '+Inf'];
  return {
    head: headOf(name, 'histogram', help),
    isDirect: false,
    lines: [...bounds.map((bound) => `${name}_bucket{le="${bound}",`), `${name}_sum{`, `${name}_count{`],
    put: ({ counts }, row, at) => {
      let sum = 0;
      for (let place = 0; place < bounds.length; place++) {
        sum += counts[from + place] as number;
        row[at + place] = sum;
      }
      row[at + bounds.length] = (counts[from + bounds.length] as number) / 1000;
      row[at + bounds.length + 1] = sum;
    },
  };
}

function headOf(name: string, type: string, help: string): string {
  return `# HELP ${name} ${help}\n# TYPE ${name} ${type}\n`;
}

const families: readonly Family[] = [
  direct('pen_dsr_answers', 'gauge', 'Whether the server answers on its link', ({ mac }) => (mac === '' ? 0 : 1)),
  direct('pen_dsr_slots', 'gauge', 'Slots of the Maglev table', ({ slots }) => slots),
  direct('pen_dsr_packets_total', 'counter', 'Packets sent on to the server', ({ packets }) => packets),
  direct('pen_dsr_bytes_total', 'counter', 'Bytes sent on to the server', ({ bytes }) => bytes),
  direct('pen_dsr_flows_total', 'counter', 'Flows that began at the server or moved to it', ({ flows }) => flows),
  single('pen_server_up', 'gauge', 'Whether the server takes new connections', ({ state }) => (state === 'up' ? 1 : 0)),
  single('pen_server_draining', 'gauge', 'Whether it drains', ({ state }) => (state === 'draining' ? 1 : 0)),
  single(
    'pen_server_blacklist_seconds',
    'gauge',
    'Time for which the server is left alone',
    ({ blacklistedSec }) => blacklistedSec,
  ),
  single('pen_server_connections', 'gauge', 'Connections in use', ({ connections }) => connections),
  single('pen_server_connects_pending', 'gauge', 'Connects in progress', ({ pending }) => pending),
  single('pen_server_connections_max', 'gauge', 'Soft limit on connections, 0 = none', ({ max }) => max),
  single('pen_server_weight', 'gauge', 'Weight', ({ weight }) => weight),
  single('pen_server_connects_total', 'counter', 'Connects that succeeded', ({ connects }) => connects),
  single('pen_server_sent_bytes_total', 'counter', 'Bytes sent to the server', ({ bytesSent }) => bytesSent),
  single(
    'pen_server_received_bytes_total',
    'counter',
    'Bytes received from the server',
    ({ bytesReceived }) => bytesReceived,
  ),
  named('pen_server_connect_failures_total', 'cause', 'Connects that failed, by cause', CAUSES, COUNTS.failures),
  named('pen_server_sessions_total', 'ending', 'Sessions that ended, by how', ENDINGS, COUNTS.endings),
  histogram('pen_server_connect_duration_seconds', 'Time that connects took', CONNECT_CLASSES_MS, COUNTS.connectTimes),
  histogram(
    'pen_server_session_duration_seconds',
    'Time from connect to end of a session',
    SESSION_CLASSES_MS,
    COUNTS.sessionTimes,
  ),
];

/** Values of a server. */
const WIDTH = families.reduce((sum, { lines }) => sum + lines.length, 0);

/** What a server's lines are written by; another one needs other lines. */
type Row = Pick<ServerBrief, 'server' | 'address' | 'port'> & { readonly isDirect: boolean; readonly labels: string };

export class ServerMetrics {
  /** Those of the text: of all servers but empty rows. */
  readonly #rows: Row[] = [];
  /** WIDTH for each of them. */
  #values = new Float64Array(0);
  /** undefined where the text of last time is not that of these rows. */
  #texts: readonly KeptText[] | undefined;

  /**
   * Families of these servers but empty rows, in pieces to be joined; the last ends with a newline. Not to be called before
   * the last call is done.
   */
  async read(servers: Iterable<CountedServer>): Promise<readonly Buffer[]> {
    await collected(this.#taken(servers), SMALL_SHARE);
    const values = this.#values;
    if (this.#texts) return collected(updated(this.#texts, values), SMALL_SHARE);
    this.#texts = await collected(written(this.#rows, values), SMALL_SHARE);
    return this.#texts.map(({ bytes }) => bytes);
  }

  /** Takes the values, a server at a time. */
  *#taken(servers: Iterable<CountedServer>): Generator<undefined> {
    let count = 0;
    for (const server of servers) {
      if (server.brief.state !== 'empty') this.#put(server, count++);
      yield;
    }
    if (this.#rows.length === count) return;
    this.#rows.length = count;
    this.#texts = undefined;
  }

  #put(server: CountedServer, place: number): void {
    const { brief } = server;
    const last = this.#rows[place];
    if (last === undefined || !isOf(last, brief)) {
      this.#texts = undefined;
      this.#rows[place] = rowOf(brief);
    }
    let at = place * WIDTH;
    if (at === this.#values.length) {
      const longer = new Float64Array(2 * at + 16 * WIDTH);
      longer.set(this.#values);
      this.#values = longer;
    }
    for (const { lines, put } of families) {
      put(server, this.#values, at);
      at += lines.length;
    }
  }
}

function isOf(row: Row, { server, address, port, direct }: ServerBrief): boolean {
  const isDirect = direct !== undefined;
  return row.server === server && row.address === address && row.port === port && row.isDirect === isDirect;
}

function rowOf(brief: ServerBrief): Row {
  const { server, address, port } = brief;
  const labels = `server="${server}",address="${escapeLabel(endpointText(brief))}"} `;
  // Text is put together as Latin-1, and the path of a socket may be anything.
  const bytes = Buffer.from(labels).toString('latin1');
  return { server, address, port, isDirect: brief.direct !== undefined, labels: bytes };
}

function* updated(texts: readonly KeptText[], values: Float64Array): Generator<Buffer> {
  for (const text of texts) yield text.update(values);
}

function* written(rows: readonly Row[], values: Float64Array): Generator<KeptText> {
  let draft = new TextDraft();
  let first = 0;
  for (const { head, isDirect, lines } of families) {
    const places = [...rows.keys()].filter((place) => !isDirect || rows[place]?.isDirect);
    if (places.length > 0) draft.add(head);
    for (const place of places) {
      for (let line = 0; line < lines.length; line++) {
        draft.add(lines[line] as string);
        draft.add((rows[place] as Row).labels);
        draft.addNumber(values, place * WIDTH + first + line);
        draft.add('\n');
      }
      if (draft.length < PIECE) continue;
      yield draft.done();
      draft = new TextDraft();
    }
    first += lines.length;
  }
  if (draft.length > 0) yield draft.done();
}

function escapeLabel(value: string): string {
  return value.replaceAll('\\', '\\\\').replaceAll('"', '\\"').replaceAll('\n', '\\n');
}
