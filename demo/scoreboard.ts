/** What happens, as a line now and then: who is up, and who answered how many requests since the last line. */
import type { WebServer } from './web-server.js';

export class Scoreboard {
  readonly #servers: readonly WebServer[];
  #shown: readonly number[];
  readonly #timer: NodeJS.Timeout;

  constructor(servers: readonly WebServer[], everyMs: number) {
    this.#servers = servers;
    this.#shown = servers.map((server) => server.answered);
    this.#timer = setInterval(() => this.#show(), everyMs);
  }

  stop(): void {
    clearInterval(this.#timer);
    this.#show();
  }

  #show(): void {
    const now = this.#servers.map((server) => server.answered);
    const fresh = now.map((count, at) => count - (this.#shown[at] ?? 0));
    const sum = fresh.reduce((total, count) => total + count, 0);
    if (sum === 0) return;
    this.#shown = now;
    const cells = this.#servers.map((server, at) => {
      const count = `${server.isUp ? '' : 'down, '}+${fresh[at]}`;
      return `${server.name} ${count.padEnd(9)} ${String(now[at]).padStart(6)}`;
    });
    console.log(`${new Date().toLocaleTimeString('en-GB')}   ${cells.join('   |   ')}`);
  }
}
