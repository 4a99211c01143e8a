/** The table of servers. Rows stay the same elements from frame to frame, so that focus and selection stay where they are. */
import { colorOf } from './charts.js';
import { byId, bytes, count, duration, make, rate, setText } from './format.js';
import { Rates } from './rates.js';

/** Rows drawn; the search finds the others. */
const ROWS = 100;
/** With fewer there is nothing to search for. */
const FEW = 12;

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
 * @property {number} connectMs what its connects took, all together
 * @property {{ mac: string, packets: number }} [direct] with direct server return
 * @property {{ error: string, agoSec: number }} [lastFailure]
 */

/** @typedef {{ connects: number, sent: number, received: number, packets: number, connectMs: number | undefined }} Now */

export class Servers {
  /** @type {Map<string, HTMLTableRowElement>} */
  #rows = new Map();
  /** @type {Rates<number | string>} */
  #rates = new Rates();
  /** @type {Server[]} */
  #servers = [];
  #counts = { servers: 0, up: 0 };

  /** @param {(action: string, server: Server) => void} act */
  constructor(act) {
    byId('server-rows').addEventListener('click', (event) => {
      const button = /** @type {HTMLElement} */ (event.target).closest('button');
      const server = this.#servers.find((one) => String(one.server) === button?.dataset.server);
      if (button?.dataset.action && server) act(button.dataset.action, server);
    });
    byId('servers-search').addEventListener('input', () => this.#draw());
  }

  /** @param {Server[]} servers @param {{ servers: number, up: number }} counts of all there are @param {number} timeMs */
  show(servers, counts, timeMs) {
    this.#servers = servers;
    this.#counts = counts;
    this.#rates.add(timeMs, new Map(servers.map((one) => [one.server, countsOf(one)])));
    this.#draw();
  }

  #draw() {
    const servers = this.#servers;
    const all = servers.reduce((sum, { server }) => sum + this.#rates.of(server, 'connects'), 0);
    const open = servers.reduce((sum, one) => sum + one.connections, 0);
    const text = /** @type {HTMLInputElement} */ (byId('servers-search')).value.trim().toLowerCase();
    const wanted = text === '' ? servers : servers.filter((one) => isLike(one, text));
    const shown = wanted.slice(0, ROWS);
    const body = byId('server-rows');
    const seen = new Set();
    for (const [place, server] of shown.entries()) {
      const key = String(server.server);
      seen.add(key);
      let row = this.#rows.get(key);
      if (!row) {
        row = makeRow(server);
        this.#rows.set(key, row);
      }
      // Only what stands elsewhere is moved: moving takes the focus.
      if (body.children[place] !== row) body.insertBefore(row, body.children[place] ?? null);
      const now = this.#now(server.server);
      // Long sessions: where nothing new comes, the share is that of what is open.
      const share = all > 0 ? now.connects / all : open > 0 ? server.connections / open : 0;
      fillRow(row, server, now, share);
    }
    for (const [key, row] of this.#rows) {
      if (seen.has(key)) continue;
      row.remove();
      this.#rows.delete(key);
    }
    this.#say(wanted.length, shown.length);
  }

  /** @param {number} wanted @param {number} shown */
  #say(wanted, shown) {
    const { servers: all, up } = this.#counts;
    setText(byId('servers-summary'), `${count(up)} of ${count(all)} take connections`);
    byId('servers-filter').hidden = all <= FEW;
    const isCut = shown < wanted || this.#servers.length < all;
    const note =
      wanted === 0 && all > 0
        ? 'No server like that.'
        : isCut
          ? `${count(shown)} of ${count(all)} are shown, those that are not well first; search for others.`
          : '';
    setText(byId('servers-note'), note);
  }

  /** @param {number | string} server @returns {Now} */
  #now(server) {
    const connects = this.#rates.grown(server, 'connects');
    return {
      connects: this.#rates.of(server, 'connects'),
      sent: this.#rates.of(server, 'sent'),
      received: this.#rates.of(server, 'received'),
      packets: this.#rates.of(server, 'packets'),
      connectMs: connects > 0 ? this.#rates.grown(server, 'connectMs') / connects : undefined,
    };
  }
}

/** @param {Server} server */
function countsOf({ connects, bytesSent, bytesReceived, direct, connectMs }) {
  return { connects, sent: bytesSent, received: bytesReceived, packets: direct?.packets ?? 0, connectMs };
}

/** @param {Server} server @param {string} text */
function isLike({ server, address, state }, text) {
  return address.includes(text) || state.startsWith(text) || String(server) === text;
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
    cell('Connect time'),
    cell('To / from, per second', 'traffic'),
    cell('Failed connects'),
    cell('Weight'),
    make('td', { class: 'actions', role: 'cell' }, ...actions),
  );
}

/**
 * @param {HTMLTableRowElement} row
 * @param {Server} server
 * @param {Now} now
 * @param {number} share
 */
function fillRow(row, server, now, share) {
  const cells = /** @type {HTMLTableCellElement[]} */ ([...row.cells]);
  const [name, state, shares, connections, fresh, connecting, traffic, failed, weight, actions] = cells;
  if (!name || !state || !shares || !connections || !fresh || !connecting) return;
  if (!traffic || !failed || !weight || !actions) return;
  const [, title, address] = /** @type {HTMLElement[]} */ ([...name.children]);
  if (title) setText(title, String(server.server));
  if (address) setText(address, server.address);
  const pill = /** @type {HTMLElement} */ (state.firstElementChild);
  pill.dataset.state = server.state;
  setText(pill, server.state === 'blacklisted' ? `blacklisted ${server.blacklistedSec} s` : server.state);
  const { lastFailure } = server;
  pill.title = lastFailure ? `last failure: ${lastFailure.error}, ${duration(lastFailure.agoSec)} ago` : '';
  const meter = /** @type {HTMLMeterElement} */ (shares.querySelector('meter'));
  meter.value = share;
  setText(/** @type {Element} */ (meter.nextElementSibling), `${Math.round(share * 100)} %`);
  setText(connections, load(server, now.packets));
  setText(fresh, rate(now.connects));
  setText(connecting, now.connectMs === undefined || server.direct ? 'none' : `${rate(now.connectMs)} ms`);
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
  if (server.direct) return `${rate(packets)} packets/s`;
  return server.max > 0 ? `${count(server.connections)} of ${count(server.max)}` : count(server.connections);
}

/** @param {string} action @param {Server} server */
function labelOf(action, server) {
  if (action === 'drain') return server.state === 'draining' ? 'Undrain' : 'Drain';
  if (action === 'blacklist') return server.state === 'blacklisted' ? 'Clear' : 'Blacklist';
  return 'Weight';
}
