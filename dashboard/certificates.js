/** TLS: the certificates in use with the days they have left, and handshakes by result. */
import { byId, count, make, rate, setText } from './format.js';
import { Rates } from './rates.js';

const DAY_MS = 86_400_000;
/** Fewer days than these are a matter for today. */
const FEW_DAYS = 14;

const results = [
  ['full', 'From clients, new'],
  ['resumed', 'From clients, resumed'],
  ['failed', 'From clients, failed'],
  ['toServers', 'To servers, new'],
  ['toServersResumed', 'To servers, resumed'],
  ['failedToServers', 'To servers, failed'],
  ['cut', 'From clients, cut'],
  ['cutByServers', 'From servers, cut'],
];

export class Certificates {
  /** @type {Rates<string>} */
  #rates = new Rates();

  /**
   * @param {{ handshakes: Record<string, number>, certificates: { name: string, subject: string, keyType: string, expiresMs: number }[] } | undefined} tls
   * @param {number} timeMs
   */
  show(tls, timeMs) {
    byId('tls').hidden = !tls;
    if (!tls) return;
    const { handshakes, certificates } = tls;
    this.#rates.add(timeMs, new Map([['', handshakes]]));
    const lines = [
      ...certificates.map(({ name, subject, keyType, expiresMs }) => {
        const days = Math.floor((expiresMs - timeMs) / DAY_MS);
        const left = days < 0 ? 'expired' : `${count(days)} days left`;
        return { title: `${name} (${subject}, ${keyType})`, text: left, mood: days < FEW_DAYS ? 'bad' : 'plain' };
      }),
      ...results
        .filter(([key = '']) => (handshakes[key] ?? 0) > 0)
        .map(([key = '', title = '']) => {
          const now = this.#rates.of('', key);
          const text = `${count(handshakes[key] ?? 0)}${now > 0 ? `, ${rate(now)}/s` : ''}`;
          return { title, text, mood: 'plain' };
        }),
    ];
    const list = byId('tls-lines');
    while (list.children.length > lines.length) list.lastElementChild?.remove();
    for (const [at, { title, text, mood }] of lines.entries()) {
      const line = list.children[at] ?? list.appendChild(make('div', {}, make('dt', {}), make('dd', {})));
      /** @type {HTMLElement} */ (line).dataset.mood = mood;
      setText(/** @type {Element} */ (line.firstElementChild), title);
      setText(/** @type {Element} */ (line.lastElementChild), text);
    }
  }
}
