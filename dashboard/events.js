/** The event log: newest first; what is good or bad news is also said to screen readers. */
import { byId, make, moment, setText } from './format.js';

const SHOWN = 200;

export class Events {
  #lastId = 0;
  #today = '';

  /** @param {{ id: number, timeMs: number, mood: string, text: string }[]} events */
  add(events) {
    const now = new Date();
    if (now.toDateString() !== this.#today) {
      this.#today = now.toDateString();
      for (const time of byId('events').querySelectorAll('time')) setText(time, moment(Date.parse(time.dateTime), now));
    }
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
      const time = make('time', { datetime: new Date(timeMs).toISOString() }, moment(timeMs, now));
      list.prepend(make('li', { 'data-mood': mood }, time, make('span', {}, text)));
    }
    while (list.children.length > SHOWN) list.lastElementChild?.remove();
    const news = fresh.filter(({ mood }) => mood !== 'plain');
    if (!isFirst && news.length > 0) byId('announce').textContent = news.map(({ text }) => text).join('; ');
  }
}
