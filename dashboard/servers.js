/** The table of servers. Rows stay the same elements from frame to frame, so that focus and selection stay where they are. */
import { colorOf } from './charts.js';
import { byId, bytes, count, make, rate, setText } from './format.js';

/** Seconds over which shares and rates are taken: short enough to see a failure, long enough to be calm. */
const WINDOW_MS = 5000;

/**
 * @typedef {object} Server
 * @property {number | string} server
 * @property {string} address
 * @property {string} state
 * @property {number} blacklistedSec
 * @property {number} connections
 * @property {number} max
 * @property {number} weight
 * @property {number} connects
 * @property {number} failed
 * @property {number} bytesSent
 * @property {number} bytesReceived
 * @property {number} [packets] sent on to it, with direct server return
 * @property {string} [mac]
 * @property {{ error: string, agoSec: number }} [lastFailure]
 *
 * @typedef {{ timeMs: number, servers: Map<number | string, Server> }} Moment
 */

export class Servers {
  /** @type {Map<string, HTMLTableRowElement>} */
  #rows = new Map();
  /** @type {Moment[]} */
  #moments = [];
  /** @type {Server[]} */
  #servers = [];

  /** @param {(action: string, server: Server) => void} act */
  constructor(act) {
    byId('server-rows').addEventListener('click', (event) => {
      const button = /** @type {HTMLElement} */ (event.target).closest('button');
      const server = this.#servers.find((one) => String(one.server) === button?.dataset.server);
      if (button?.dataset.action && server) act(button.dataset.action, server);
    });
  }

  /** @param {Server[]} servers @param {number} timeMs */
  show(servers, timeMs) {
    this.#servers = servers;
    this.#moments.push({ timeMs, servers: new Map(servers.map((one) => [one.server, one])) });
    while (this.#moments.length > 2 && timeMs - /** @type {Moment} */ (this.#moments[0]).timeMs > WINDOW_MS)
      this.#moments.shift();
    const rates = new Map(servers.map((one) => [one.server, this.#rates(one, timeMs)]));
    const all = [...rates.values()].reduce((sum, { connects }) => sum + connects, 0);
    const open = servers.reduce((sum, one) => sum + one.connections, 0);
    const body = byId('server-rows');
    const seen = new Set();
    for (const server of servers) {
      const key = String(server.server);
      seen.add(key);
      let row = this.#rows.get(key);
      if (!row) {
        row = makeRow(server);
        this.#rows.set(key, row);
        body.append(row);
      }
      const now = /** @type {{ connects: number, sent: number, received: number, packets: number }} */ (
        rates.get(server.server)
      );
      // Long sessions: where nothing new comes, the share is that of what is open.
      const share = all > 0 ? now.connects / all : open > 0 ? server.connections / open : 0;
      fillRow(row, server, now, share);
    }
    for (const [key, row] of this.#rows) {
      if (seen.has(key)) continue;
      row.remove();
      this.#rows.delete(key);
    }
    const up = servers.filter((one) => one.state === 'up').length;
    setText(byId('servers-summary'), `${up} of ${servers.length} take connections`);
  }

  /** A second's worth over the window. @param {Server} server @param {number} timeMs */
  #rates(server, timeMs) {
    const first = this.#moments.find((moment) => moment.servers.has(server.server));
    const before = first?.servers.get(server.server);
    const seconds = first ? (timeMs - first.timeMs) / 1000 : 0;
    if (!before || seconds <= 0) return { connects: 0, sent: 0, received: 0, packets: 0 };
    const each = (/** @type {'connects' | 'bytesSent' | 'bytesReceived' | 'packets'} */ key) =>
      Math.max(0, (server[key] ?? 0) - (before[key] ?? 0)) / seconds;
    return {
      connects: each('connects'),
      sent: each('bytesSent'),
      received: each('bytesReceived'),
      packets: each('packets'),
    };
  }
}

/** @param {Server} server */
function makeRow(server) {
  const name = `server ${server.server}`;
  const button = (/** @type {string} */ action, /** @type {string} */ label) =>
    make(
      'button',
      { type: 'button', 'data-action': action, 'data-server': String(server.server), 'aria-label': `${label} ${name}` },
      label,
    );
  const cell = (/** @type {string} */ label, more = '') =>
    make('td', { class: `number ${more}`, role: 'cell', 'data-label': label });
  // The servers outside the table have no row that commands could name.
  const actions =
    typeof server.server === 'number'
      ? [button('drain', 'Drain'), button('blacklist', 'Blacklist'), button('weight', 'Weight')]
      : [];
  return make(
    'tr',
    { role: 'row' },
    make(
      'td',
      { class: 'name', role: 'cell' },
      make('span', { class: 'swatch', 'data-color': colorOf(server.server) }),
      make('span', {}),
      ' ',
      make('small', {}),
    ),
    make('td', { class: 'state', role: 'cell' }, make('span', { class: 'pill' })),
    make(
      'td',
      { class: 'wide', role: 'cell' },
      make(
        'div',
        { class: 'share' },
        make('meter', { min: '0', max: '1', 'aria-label': `share of ${name}` }),
        make('span', {}),
      ),
    ),
    cell('Connections'),
    cell('New/s'),
    cell('To / from, per second', 'traffic'),
    cell('Failed connects'),
    cell('Weight'),
    make('td', { class: 'actions', role: 'cell' }, ...actions),
  );
}

/**
 * @param {HTMLTableRowElement} row
 * @param {Server} server
 * @param {{ connects: number, sent: number, received: number, packets: number }} now
 * @param {number} share
 */
function fillRow(row, server, now, share) {
  const [name, state, shares, connections, fresh, traffic, failed, weight, actions] =
    /** @type {HTMLTableCellElement[]} */ ([...row.cells]);
  if (!name || !state || !shares || !connections || !fresh || !traffic || !failed || !weight || !actions) return;
  const [, title, address] = /** @type {HTMLElement[]} */ ([...name.children]);
  if (title) setText(title, String(server.server));
  if (address) setText(address, server.address);
  const pill = /** @type {HTMLElement} */ (state.firstElementChild);
  pill.dataset.state = server.state;
  setText(pill, server.state === 'blacklisted' ? `blacklisted ${server.blacklistedSec} s` : server.state);
  const { lastFailure } = server;
  const mac = server.mac ? `answers as ${server.mac}` : '';
  pill.title = lastFailure ? `last failure: ${lastFailure.error}, ${lastFailure.agoSec} s ago` : mac;
  const meter = /** @type {HTMLMeterElement} */ (shares.querySelector('meter'));
  meter.value = share;
  setText(/** @type {Element} */ (meter.nextElementSibling), `${Math.round(share * 100)} %`);
  setText(connections, load(server, now.packets));
  setText(fresh, rate(now.connects));
  setText(traffic, `${bytes(now.sent)} / ${bytes(now.received)}`);
  setText(failed, count(server.failed));
  setText(weight, count(server.weight));
  for (const button of actions.querySelectorAll('button')) {
    const label = labelOf(button.dataset.action ?? '', server);
    setText(button, label);
    button.setAttribute('aria-label', `${label} server ${server.server}`);
  }
}

/** Connections, or packets a second where frames are sent on and there are none. @param {Server} server @param {number} packets */
function load(server, packets) {
  if (server.packets !== undefined) return `${rate(packets)} packets/s`;
  return server.max > 0 ? `${count(server.connections)} of ${count(server.max)}` : count(server.connections);
}

/** @param {string} action @param {Server} server */
function labelOf(action, server) {
  if (action === 'drain') return server.state === 'draining' ? 'Undrain' : 'Drain';
  if (action === 'blacklist') return server.state === 'blacklisted' ? 'Clear' : 'Blacklist';
  return 'Weight';
}
