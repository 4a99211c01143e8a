/** Direct server return: who answers on the link, and what each server is sent. */
import { colorOf } from './charts.js';
import { byId, bytes, count, make, rate, setText } from './format.js';
import { Rates } from './rates.js';

/**
 * @typedef {object} Real
 * @property {string} mac '' while it does not answer
 * @property {number} slots
 * @property {number} packets
 * @property {number} bytes
 * @property {number} flows
 */

/** Rows drawn. */
const ROWS = 100;

export class Frames {
  /** @type {Rates<string>} */
  #rates = new Rates();

  /**
   * @param {{ server: number | string, address: string, direct?: Real }[]} servers
   * @param {number} timeMs
   * @returns {{ packets: number, answering: number, all: number } | undefined} undefined where pen is a proxy
   */
  show(servers, timeMs) {
    const reals = servers.flatMap(({ server, address, direct }) => (direct ? [{ server, address, direct }] : []));
    byId('frames').hidden = reals.length === 0;
    if (reals.length === 0) return undefined;
    const { packets, bytes: sent, flows } = sums(reals.map(({ direct }) => direct));
    this.#rates.add(
      timeMs,
      new Map([
        ...reals.map(({ server, direct }) => /** @type {const} */ ([String(server), numbers(direct)])),
        /** @type {const} */ (['', { packets, bytes: sent, flows }]),
      ]),
    );
    const slots = reals.reduce((sum, { direct }) => sum + direct.slots, 0);
    const body = /** @type {HTMLTableSectionElement} */ (byId('frames-rows'));
    const shown = reals.slice(0, ROWS);
    while (body.rows.length > shown.length) body.deleteRow(-1);
    for (const [at, { server, address, direct }] of shown.entries()) {
      const row = body.rows[at] ?? body.appendChild(makeRow());
      const key = String(server);
      const [name, answers, ...figures] = /** @type {HTMLTableCellElement[]} */ ([...row.cells]);
      const [swatch, title, where] = /** @type {HTMLElement[]} */ ([...(name?.children ?? [])]);
      if (swatch) swatch.dataset.color = colorOf(server);
      if (title) setText(title, key);
      if (where) setText(where, address);
      const pill = /** @type {HTMLElement} */ (answers?.firstElementChild);
      pill.dataset.state = direct.mac === '' ? 'silent' : 'up';
      setText(pill, direct.mac === '' ? 'no answer' : direct.mac);
      const texts = [
        slots > 0 ? `${count(direct.slots)} (${Math.round((direct.slots / slots) * 100)} %)` : count(direct.slots),
        rate(this.#rates.of(key, 'packets')),
        `${bytes(this.#rates.of(key, 'bytes'))}/s`,
        rate(this.#rates.of(key, 'flows')),
        count(direct.packets),
      ];
      for (const [place, text] of texts.entries()) setText(/** @type {Element} */ (figures[place]), text);
    }
    const answering = reals.filter(({ direct }) => direct.mac !== '').length;
    setText(byId('frames-summary'), `${answering} of ${reals.length} answer, ${count(flows)} flows so far`);
    return { packets: this.#rates.of('', 'packets'), answering, all: reals.length };
  }
}

/** @param {Real} direct */
function numbers({ packets, bytes: sent, flows }) {
  return { packets, bytes: sent, flows };
}

/** @param {Real[]} reals */
function sums(reals) {
  const sum = (/** @type {'packets' | 'bytes' | 'flows'} */ key) => reals.reduce((total, real) => total + real[key], 0);
  return { packets: sum('packets'), bytes: sum('bytes'), flows: sum('flows') };
}

function makeRow() {
  const number = () => make('td', { class: 'number' });
  return make(
    'tr',
    {},
    make('td', { class: 'name' }, make('span', { class: 'swatch' }), make('span', {}), ' ', make('small', {})),
    make('td', {}, make('span', { class: 'pill' })),
    number(),
    number(),
    number(),
    number(),
    number(),
  );
}
