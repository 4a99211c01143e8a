/** The event log: newest first; what is good or bad news is also said to screen readers. */
import { byId, clock, make } from './format.js';

const SHOWN = 200;

export class Events {
  #lastId = 0;

  /** @param {{ id: number, timeMs: number, mood: string, text: string }[]} events */
  add(events) {
    // Pen has been started again: its events count from 1.
    if (events.some(({ id }) => id === 1) && this.#lastId > 1) {
      this.#lastId = 0;
      byId('events').replaceChildren();
    }
    const fresh = events.filter(({ id }) => id > this.#lastId);
    if (fresh.length === 0) return;
    const isFirst = this.#lastId === 0;
    this.#lastId = Math.max(...fresh.map(({ id }) => id));
    const list = byId('events');
    for (const { timeMs, mood, text } of fresh) {
      const time = make('time', { datetime: new Date(timeMs).toISOString() }, clock(timeMs));
      list.prepend(make('li', { 'data-mood': mood }, time, make('span', {}, text)));
    }
    while (list.children.length > SHOWN) list.lastElementChild?.remove();
    const news = fresh.filter(({ mood }) => mood !== 'plain');
    if (!isFirst && news.length > 0) byId('announce').textContent = news.map(({ text }) => text).join('; ');
  }
}
