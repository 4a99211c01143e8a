/** Clients turned away, datagrams or packets dropped, and lines of the log lost, by reason. Reasons that never came up are not shown. */
import { byId, count, make, rate, setText } from './format.js';
import { Rates } from './rates.js';

export class Losses {
  /** @type {Rates<string>} */
  #rates = new Rates();

  /** @param {{ timeMs: number, refusals: Record<string, number>, drops: Record<string, number>, logLost: number }} summary @returns {number} a second */
  show({ timeMs, refusals, drops, logLost }) {
    const reasons = [
      ...Object.entries(refusals).map(([reason, total]) => ({ key: `turned away: ${reason}`, total })),
      ...Object.entries(drops).map(([reason, total]) => ({ key: `dropped: ${reason}`, total })),
      { key: 'lines of the log lost', total: logLost },
    ].filter(({ total }) => total > 0);
    this.#rates.add(timeMs, new Map(reasons.map(({ key, total }) => [key, { total }])));
    const list = byId('losses');
    while (list.children.length > reasons.length) list.lastElementChild?.remove();
    let sum = 0;
    for (const [at, { key, total }] of reasons.entries()) {
      const line = list.children[at] ?? list.appendChild(make('div', {}, make('dt', {}), make('dd', {})));
      const now = this.#rates.of(key, 'total');
      sum += now;
      setText(/** @type {Element} */ (line.firstElementChild), key.replaceAll('_', ' '));
      setText(/** @type {Element} */ (line.lastElementChild), `${count(total)}${now > 0 ? `, ${rate(now)}/s` : ''}`);
    }
    setText(byId('losses-note'), reasons.length === 0 ? 'Nobody and nothing so far.' : '');
    return sum;
  }
}
