/** What people are told of servers: a line for each that comes back, goes, or was never there. Pure. */
import { formatIp, type IpWords } from '../core/address.js';

/** A server that has not answered for that long from the start is worth a line. */
const SILENCE_MS = 2000;
/** Lines in one turn: if a switch dies, hundreds of servers go at once. */
const MOST_LINES = 20;

interface Told {
  readonly text: string;
  /** Whether people believe it answers, or since when that is awaited. */
  state: boolean | number;
}

type News = 'back' | 'gone' | 'never';

export class Tidings {
  readonly #interfaceName: string;
  readonly #log: (line: string) => void;
  readonly #hint: (name: string) => string;
  readonly #told = new Map<string, Told>();
  readonly #awaited = new Set<string>();
  readonly #news: [name: string, text: string, news: News][] = [];

  /** `hint`: why a server may not answer. */
  constructor(interfaceName: string, log: (line: string) => void, hint: (name: string) => string) {
    this.#interfaceName = interfaceName;
    this.#log = log;
    this.#hint = hint;
  }

  /** A server that is asked from now on. */
  await(name: string, address: IpWords, nowMs: number): void {
    this.#told.set(name, { text: formatIp(address), state: nowMs });
    this.#awaited.add(name);
  }

  forget(name: string): void {
    this.#told.delete(name);
    this.#awaited.delete(name);
  }

  changed(name: string, isAlive: boolean): void {
    const told = this.#told.get(name);
    if (!told || told.state === isAlive) return;
    if (isAlive && told.state === false) this.#news.push([name, told.text, 'back']);
    if (!isAlive && told.state === true) this.#news.push([name, told.text, 'gone']);
    if (!isAlive && typeof told.state === 'number') return;
    told.state = isAlive;
    this.#awaited.delete(name);
  }

  /** `rowOf`: of a server that has one. */
  tell(nowMs: number, rowOf: (name: string) => number | undefined): void {
    for (const name of this.#awaited) {
      const told = this.#told.get(name);
      // In order of time: those behind it have been awaited for less.
      if (!told || nowMs - Number(told.state) < SILENCE_MS) break;
      this.#news.push([name, told.text, 'never']);
      told.state = false;
      this.#awaited.delete(name);
    }
    const lines = this.#news.splice(0);
    for (const [name, text, news] of lines.slice(0, MOST_LINES)) {
      const row = rowOf(name);
      const server = row === undefined ? `server ${text}` : `server ${row} (${text})`;
      this.#log(this.#line(server, news, name));
    }
    if (lines.length > MOST_LINES) this.#log(`${lines.length - MOST_LINES} servers more (penctl dsr lists them)`);
  }

  #line(server: string, news: News, name: string): string {
    const there = `'${this.#interfaceName}'`;
    if (news === 'back') return `${server} answers again on ${there}`;
    if (news === 'gone') return `${server} has stopped answering on ${there}, its flows go elsewhere`;
    return `${server} does not answer on ${there} (${this.#hint(name)})`;
  }
}
