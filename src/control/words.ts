/** A command line taken apart word by word; blanks are spaces and tabs, `#` at the head of a word starts a comment. */

const TAB = 9;
const RETURN = 13;
const BLANK = 32;

/** By index, as configurations may have a hundred thousand lines. */
export class Words {
  readonly #text: string;
  /** Where the comment begins, and the blanks before it. */
  readonly #end: number;
  #at = 0;

  constructor(line: string) {
    this.#text = line;
    let end = commentAt(line);
    while (end > 0 && (isBlank(line, end - 1) || line.charCodeAt(end - 1) === RETURN)) end--;
    this.#end = end;
    this.#skipBlanks();
  }

  get isEmpty(): boolean {
    return this.#at >= this.#end;
  }

  /** The next word without taking it, `''` at the end. */
  peek(): string {
    let end = this.#at;
    while (end < this.#end && !isBlank(this.#text, end)) end++;
    return this.#text.slice(this.#at, end);
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
    const text = this.#text.slice(this.#at, this.#end);
    this.#at = this.#end;
    return text;
  }

  #skipBlanks(): void {
    while (this.#at < this.#end && isBlank(this.#text, this.#at)) this.#at++;
  }
}

/** Where a comment begins; the length if there is none. */
function commentAt(line: string): number {
  let at = line.indexOf('#');
  while (at > 0 && !isBlank(line, at - 1)) at = line.indexOf('#', at + 1);
  return at < 0 ? line.length : at;
}

function isBlank(text: string, at: number): boolean {
  const code = text.charCodeAt(at);
  return code === BLANK || code === TAB;
}
