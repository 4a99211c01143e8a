/**
 * The demo's traffic: visitors from a hundred addresses, some in a hurry and some slow, in waves, so that the dashboard has
 * something to show. A few hundred requests a second at most: the machine stays usable.
 */
import { request } from 'node:http';

const VISITORS = 100;
/** Requests a second: the mean, and how far the waves go to either side. */
const MEAN = 60;
const WAVE = 40;
const WAVE_SEC = 45;
const TICK_MS = 50;
/** No more at once, should pen be slow. */
const MOST = 200;

export class Visitors {
  readonly #port: number;
  readonly #timer: NodeJS.Timeout;
  readonly #startedMs = performance.now();
  #owed = 0;
  #open = 0;

  /** Begins at once. */
  constructor(port: number) {
    this.#port = port;
    this.#timer = setInterval(() => this.#tick(), TICK_MS);
  }

  stop(): void {
    clearInterval(this.#timer);
  }

  #tick(): void {
    const seconds = (performance.now() - this.#startedMs) / 1000;
    const perSecond = MEAN + WAVE * Math.sin((2 * Math.PI * seconds) / WAVE_SEC);
    this.#owed += (perSecond * TICK_MS) / 1000;
    for (; this.#owed >= 1; this.#owed -= 1) if (this.#open < MOST) this.#visit();
  }

  #visit(): void {
    const visitor = Math.floor(Math.random() * VISITORS);
    // Every eighth asks for a page that takes a while, every fifth for a large one.
    const path = visitor % 8 === 0 ? '/slow' : visitor % 5 === 0 ? '/large' : '/';
    this.#open += 1;
    const over = () => {
      this.#open -= 1;
    };
    // Linux has all of 127.0.0.0/8; elsewhere everybody comes from the one address there is.
    const from = process.platform === 'linux' ? { localAddress: `127.0.1.${visitor + 1}` } : {};
    const asking = request(
      { host: '127.0.0.1', port: this.#port, path, agent: false, timeout: 10_000, ...from },
      (response) => {
        response.resume().on('error', () => {});
      },
    );
    asking.on('error', () => {});
    asking.on('timeout', () => asking.destroy());
    asking.on('close', over);
    asking.end();
  }
}
