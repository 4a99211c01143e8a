/** A text that the browser keeps under a key; one that is to keep nothing throws, and then it is kept as long as the page. */
export class Kept {
  #area;
  #key;
  /** @type {string | undefined} */
  #text;

  /** @param {'localStorage' | 'sessionStorage'} area @param {string} key */
  constructor(area, key) {
    this.#area = area;
    this.#key = key;
  }

  read() {
    try {
      return window[this.#area].getItem(this.#key) ?? this.#text;
    } catch {
      return this.#text;
    }
  }

  /** @param {string} text */
  write(text) {
    this.#text = text;
    try {
      window[this.#area].setItem(this.#key, text);
    } catch {
      // The page has it.
    }
  }
}
