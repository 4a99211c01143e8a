/** A command line taken apart word by word; blanks are spaces and tabs, `#` at the head of a word starts a comment. */

export class Words {
  readonly #text: string;
  #at = 0;

  constructor(line: string) {
    this.#text = line.replace(/(^|[ \t])#.*$/s, '').replace(/[ \t\r]+$/, '');
    this.#skipBlanks();
  }

  get isEmpty(): boolean {
    return this.#at >= this.#text.length;
  }

  /** The next word without taking it, `''` at the end. */
  peek(): string {
    return /^[^ \t]*/.exec(this.#text.slice(this.#at))?.[0] ?? '';
  }

  /** Takes the next word, undefined at the end. */
  next(): string | undefined {
    if (this.isEmpty) return undefined;
    const word = this.peek();
    this.#at += word.length;
    this.#skipBlanks();
    return word;
  }

  /** Takes everything that is left, inner blanks kept. */
  rest(): string {
    const text = this.#text.slice(this.#at);
    this.#at = this.#text.length;
    return text;
  }

  #skipBlanks(): void {
    while (this.#text[this.#at] === ' ' || this.#text[this.#at] === '\t') this.#at += 1;
  }
}
