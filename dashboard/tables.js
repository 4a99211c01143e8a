/** Clients and connections: two tables in one place, asked for while the page is looked at. */
import { byId, bytes, count, duration, make, setText } from './format.js';
import { read } from './stream.js';

const EVERY_MS = 2000;
/** An answer that took a second is asked for again after ten. */
const PATIENCE = 10;
/** Rows drawn; the search finds the others. */
const ROWS = 200;

/** @type {Record<string, { titles: string[], cells: (row: any) => (string | number)[], numbers: number }>} */
const kinds = {
  clients: {
    titles: ['Address', 'Server', 'Seen', 'Connects', 'To client', 'From client'],
    cells: ({ address, server, agoSec, connects, bytesSent, bytesReceived }) => [
      address,
      server < 0 ? 'none' : server,
      `${duration(agoSec)} ago`,
      count(connects),
      bytes(bytesSent),
      bytes(bytesReceived),
    ],
    numbers: 3,
  },
  connections: {
    titles: ['From', 'Server', 'State', 'Number', 'Age'],
    cells: ({ peer, server, state, connection, ageSec }) => [
      peer || 'none',
      server < 0 ? 'none' : server,
      state,
      connection,
      ageSec === undefined ? '' : duration(ageSec),
    ],
    numbers: 3,
  },
};

export class Tables {
  #kind = 'clients';
  /** Answers that come after another question was asked are not shown. */
  #asked = 0;
  #isWaiting = false;
  /** A search through very many clients takes pen a while, so it is not asked for all the time. */
  #againMs = 0;

  constructor() {
    const tabs = /** @type {HTMLElement[]} */ ([...document.querySelectorAll('[role=tab]')]);
    for (const [place, tab] of tabs.entries()) {
      tab.addEventListener('click', () => this.#choose(tab, tabs));
      tab.addEventListener('keydown', (event) => {
        if (event.key !== 'ArrowRight' && event.key !== 'ArrowLeft') return;
        const next = /** @type {HTMLElement} */ (tabs[(place + 1) % tabs.length]);
        this.#choose(next, tabs);
        next.focus();
      });
    }
    byId('search').addEventListener('input', () => void this.#ask());
    setInterval(() => {
      if (!document.hidden && !this.#isWaiting && performance.now() >= this.#againMs) void this.#ask();
    }, EVERY_MS);
    this.#head();
    void this.#ask();
  }

  /** @param {HTMLElement} tab @param {HTMLElement[]} tabs */
  #choose(tab, tabs) {
    for (const one of tabs) {
      one.setAttribute('aria-selected', String(one === tab));
      one.tabIndex = one === tab ? 0 : -1;
    }
    byId('panel').setAttribute('aria-labelledby', tab.id);
    this.#kind = tab.id.replace('tab-', '');
    this.#head();
    byId('who-rows').replaceChildren();
    void this.#ask();
  }

  #head() {
    const { titles, numbers } = this.#columns;
    const cells = titles.map((title, at) =>
      make('th', { scope: 'col', ...(at >= numbers ? { class: 'number' } : {}) }, title),
    );
    byId('who-head').replaceChildren(make('tr', {}, ...cells));
  }

  get #columns() {
    return /** @type {(typeof kinds)[string]} */ (kinds[this.#kind]);
  }

  async #ask() {
    const kind = this.#kind;
    this.#asked += 1;
    const asked = this.#asked;
    const text = /** @type {HTMLInputElement} */ (byId('search')).value.trim();
    const query = /^[^\s#]+$/.test(text) ? `?argument=${encodeURIComponent(text)}` : '';
    const startMs = performance.now();
    this.#isWaiting = true;
    try {
      const rows = await read(`api/v1/${kind}${query}`);
      if (asked === this.#asked) this.#show(rows, text);
    } catch (error) {
      // Where pen does not answer at all, the line at the top says so too.
      if (asked === this.#asked) setText(byId('who-note'), /** @type {Error} */ (error).message);
    }
    if (asked !== this.#asked) return;
    this.#isWaiting = false;
    this.#againMs = performance.now() + PATIENCE * (performance.now() - startMs);
  }

  /** @param {any[]} rows @param {string} text */
  #show(rows, text) {
    const { cells, numbers } = this.#columns;
    const body = /** @type {HTMLTableSectionElement} */ (byId('who-rows'));
    const shown = rows.slice(0, ROWS);
    while (body.rows.length > shown.length) body.deleteRow(-1);
    for (const [at, row] of shown.entries()) {
      const values = cells(row);
      const line = body.rows[at] ?? body.insertRow();
      while (line.cells.length < values.length) {
        const cell = line.insertCell();
        if (line.cells.length > numbers) cell.className = 'number';
      }
      for (const [column, value] of values.entries())
        setText(/** @type {Element} */ (line.cells[column]), String(value));
    }
    const none = text === '' ? `No ${this.#kind} yet.` : `No ${this.#kind} with an address like that.`;
    const more =
      rows.length > ROWS
        ? `The first ${ROWS} of ${rows.length >= 1000 ? '1,000 or more' : rows.length}; search for others.`
        : '';
    setText(byId('who-note'), rows.length === 0 ? none : more);
  }
}
