/** The dashboard: a frame a second comes in, the parts of the page show it. */
import { act } from './actions.js';
import { Certificates } from './certificates.js';
import { Charts } from './charts.js';
import { Events } from './events.js';
import { byId, bytes, count, duration, make, rate, setText } from './format.js';
import { Frames } from './frames.js';
import { Kept } from './kept.js';
import { Losses } from './losses.js';
import { Servers } from './servers.js';
import { follow } from './stream.js';
import { Tables } from './tables.js';

const THEMES = ['auto', 'light', 'dark'];

const charts = new Charts();
const servers = new Servers(act);
const frames = new Frames();
const losses = new Losses();
const certificates = new Certificates();
const events = new Events();
new Tables();
setUpTheme();
charts.show(300).catch(() => {});
void follow(show, (state, why) => {
  byId('pulse').dataset.state = state;
  setText(byId('pulse-text'), state === 'live' ? 'live' : why || 'pen does not answer');
});

/** @param {any} frame */
function show({ summary, counts, servers: rows, point, events: news }) {
  setText(byId('where'), summary.listen);
  document.title = `Pen ${summary.listen}`;
  showFacts([
    [
      'Selection',
      `${summary.algorithm}${summary.tracking ? ', clients tracked' : ''}${summary.stubborn ? ', stubborn' : ''}`,
    ],
    [
      'Engine',
      summary.engine +
        (summary.threads > 0 ? `, ${summary.threads} ${summary.threads === 1 ? 'thread' : 'threads'}` : ''),
    ],
    ['Running for', duration(summary.uptimeSec)],
    ['Version', summary.version],
  ]);
  servers.show(rows, counts, summary.timeMs);
  const direct = frames.show(rows, summary.timeMs);
  const lost = losses.show(summary);
  certificates.show(summary.tls, summary.timeMs);
  charts.add(point, rows, direct ? 'flows' : 'connections');
  events.add(news);
  showTiles(direct ? frameTiles(direct, point, lost) : proxyTiles(summary, point));
}

/** @typedef {[label: string, value: string, unit: string, note: string, mood?: 'bad' | 'plain']} Tile */

/** @param {any} point @param {string} name */
function last(point, name) {
  return point[name]?.[0] ?? 0;
}

/** @param {any} summary @param {any} point @returns {Tile[]} */
function proxyTiles(summary, point) {
  const refused = Object.values(summary.refusals).reduce((sum, each) => sum + each, 0);
  const failed = last(point, 'failed');
  return [
    ['Connections', count(summary.connections), '', `of at most ${count(summary.connectionsMax)}`],
    ['New connections', rate(last(point, 'accepted')), '/s', `${count(summary.accepted)} so far`],
    ['To clients', ...split(last(point, 'received')), 'from servers'],
    ['To servers', ...split(last(point, 'sent')), 'from clients'],
    ['Failed connects', rate(failed), '/s', `${count(refused)} clients turned away`, failed > 0 ? 'bad' : 'plain'],
    ['Clients', count(summary.clients), '', `of at most ${count(summary.clientsMax)}`],
  ];
}

/** @param {{ packets: number, answering: number, all: number }} direct @param {any} point @param {number} lost @returns {Tile[]} */
function frameTiles({ packets, answering, all }, point, lost) {
  return [
    ['Packets', rate(packets), '/s', 'sent on to servers'],
    ['New flows', rate(last(point, 'accepted')), '/s', 'began or moved'],
    ['To servers', ...split(last(point, 'sent')), 'answers go straight to clients'],
    ['Dropped', rate(lost), '/s', 'reasons stand below', lost > 0 ? 'bad' : 'plain'],
    ['Answering', count(answering), '', `of ${count(all)} servers`, answering < all ? 'bad' : 'plain'],
  ];
}

/** @param {Tile[]} tiles */
function showTiles(tiles) {
  const box = byId('tiles');
  while (box.children.length > tiles.length) box.lastElementChild?.remove();
  for (const [at, [label, value, unit, note, mood = 'plain']] of tiles.entries()) {
    const tile = box.children[at] ?? box.appendChild(makeTile());
    const [title, number, below] = /** @type {HTMLElement[]} */ ([...tile.children]);
    /** @type {HTMLElement} */ (tile).dataset.mood = mood;
    if (title) setText(title, label);
    if (number?.firstChild && number.lastChild) {
      number.firstChild.textContent = value;
      number.lastChild.textContent = unit;
    }
    if (below) setText(below, note);
  }
}

/** `12.3`, `KiB/s` @param {number} value @returns {[string, string]} */
function split(value) {
  const [number = '', unit = ''] = bytes(value).split(' ');
  return [number, `${unit}/s`];
}

function makeTile() {
  const value = make('p', { class: 'value' }, '', make('small', {}));
  value.prepend(document.createTextNode(''));
  return make('div', { class: 'tile' }, make('p', { class: 'label' }), value, make('p', { class: 'note' }));
}

/** @param {[string, string][]} facts */
function showFacts(facts) {
  const list = byId('facts');
  if (list.children.length === 0) {
    for (const [name] of facts) list.append(make('div', {}, make('dt', {}, name), make('dd', {})));
  }
  for (const [at, [, value]] of facts.entries())
    setText(/** @type {Element} */ (list.children[at]?.lastElementChild), value);
}

function setUpTheme() {
  const kept = new Kept('localStorage', 'pen-theme');
  const button = byId('theme');
  const apply = (/** @type {string} */ theme) => {
    if (theme === 'auto') delete document.documentElement.dataset.theme;
    else document.documentElement.dataset.theme = theme;
    setText(button, `Theme: ${theme}`);
    charts.recolor();
  };
  let theme = kept.read() ?? 'auto';
  apply(theme);
  button.addEventListener('click', () => {
    theme = /** @type {string} */ (THEMES[(THEMES.indexOf(theme) + 1) % THEMES.length]);
    kept.write(theme);
    apply(theme);
  });
  matchMedia('(prefers-color-scheme: dark)').addEventListener('change', () => charts.recolor());
}
