/** The dashboard: a frame a second comes in, the parts of the page show it. */
import { act } from './actions.js';
import { Charts } from './charts.js';
import { Events } from './events.js';
import { byId, bytes, count, duration, make, rate, setText } from './format.js';
import { Servers } from './servers.js';
import { follow } from './stream.js';
import { Tables } from './tables.js';

const THEMES = ['auto', 'light', 'dark'];

const charts = new Charts();
const servers = new Servers(act);
const events = new Events();
new Tables();
setUpTheme();
charts.show(300).catch(() => {});
void follow(show, (state) => {
  byId('pulse').dataset.state = state;
  setText(byId('pulse-text'), state === 'live' ? 'live' : 'pen does not answer');
});

/** @param {any} frame */
function show({ summary, servers: rows, point, events: news }) {
  setText(byId('where'), summary.listen);
  document.title = `Pen ${summary.listen}`;
  showFacts([
    [
      'Selection',
      `${summary.algorithm}${summary.tracking ? ', clients tracked' : ''}${summary.stubborn ? ', stubborn' : ''}`,
    ],
    ['Engine', `${summary.engine}, ${summary.threads} ${summary.threads === 1 ? 'thread' : 'threads'}`],
    ['Running for', duration(summary.uptimeSec)],
    ['Version', summary.version],
  ]);
  servers.show(rows, summary.timeMs);
  charts.add(point, rows);
  events.add(news);
  showTiles(summary, point);
}

/** @param {any} summary @param {any} point */
function showTiles(summary, point) {
  const now = (/** @type {string} */ name) => point[name]?.[0] ?? 0;
  const { denied, no_server: unserved, full } = summary.refusals;
  const failed = now('failed');
  /** @type {[label: string, value: string, unit: string, note: string, mood?: string][]} */
  const tiles = [
    ['Connections', count(summary.connections), '', `of at most ${count(summary.connectionsMax)}`],
    ['New connections', rate(now('accepted')), '/s', `${count(summary.accepted)} so far`],
    ['To clients', ...split(now('received')), 'from servers'],
    ['To servers', ...split(now('sent')), 'from clients'],
    [
      'Failed connects',
      rate(failed),
      '/s',
      `${count(denied + unserved + full)} clients turned away`,
      failed > 0 ? 'bad' : 'plain',
    ],
    ['Clients', count(summary.clients), '', `of at most ${count(summary.clientsMax)}`],
  ];
  const box = byId('tiles');
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
  const button = byId('theme');
  const apply = (/** @type {string} */ theme) => {
    if (theme === 'auto') delete document.documentElement.dataset.theme;
    else document.documentElement.dataset.theme = theme;
    setText(button, `Theme: ${theme}`);
    charts.recolor();
  };
  let theme = localStorage.getItem('pen-theme') ?? 'auto';
  apply(theme);
  button.addEventListener('click', () => {
    theme = /** @type {string} */ (THEMES[(THEMES.indexOf(theme) + 1) % THEMES.length]);
    localStorage.setItem('pen-theme', theme);
    apply(theme);
  });
  matchMedia('(prefers-color-scheme: dark)').addEventListener('change', () => charts.recolor());
}
