/** Numbers, times and elements for people. Text goes in as text nodes only: what a client sends is never markup. */

/** 1234 -> `1,234`; 1234567 -> `1.23 M`. @param {number} value */
export function count(value) {
  if (value < 10_000) return value.toLocaleString('en', { maximumFractionDigits: 0 });
  return scaled(value, 1000, ['', ' k', ' M', ' G', ' T']);
}

/** A rate: one decimal below ten. @param {number} value */
export function rate(value) {
  return value > 0 && value < 10 ? value.toFixed(1) : count(Math.round(value));
}

/** @param {number} value bytes */
export function bytes(value) {
  return scaled(value, 1024, [' B', ' KiB', ' MiB', ' GiB', ' TiB', ' PiB']);
}

/** `3 d 4 h`, the two largest parts. @param {number} seconds */
export function duration(seconds) {
  /** @type {[number, string][]} */
  const units = [
    [86_400, 'd'],
    [3600, 'h'],
    [60, 'min'],
    [1, 's'],
  ];
  const at = units.findIndex(([size]) => seconds >= size);
  if (at < 0) return '0 s';
  const [size, name] = /** @type {[number, string]} */ (units[at]);
  const next = units[at + 1];
  const rest = next ? Math.floor((seconds % size) / next[0]) : 0;
  return `${Math.floor(seconds / size)} ${name}${next && rest > 0 ? ` ${rest} ${next[1]}` : ''}`;
}

/** @param {number} timeMs */
export function clock(timeMs) {
  return new Date(timeMs).toLocaleTimeString('en-GB');
}

/** `13:52:34`, and with the day before it, `27 Nov 13:52:34`, if that is not today. @param {number} timeMs @param {Date} now */
export function moment(timeMs, now) {
  const time = new Date(timeMs);
  if (time.toDateString() === now.toDateString()) return clock(timeMs);
  return `${time.toLocaleDateString('en-GB', { day: 'numeric', month: 'short' })} ${clock(timeMs)}`;
}

/** @param {string} id @returns {HTMLElement} */
export function byId(id) {
  const element = document.getElementById(id);
  if (!element) throw new Error(`the page has no #${id}`);
  return element;
}

/**
 * @template {keyof HTMLElementTagNameMap} K
 * @param {K} tag
 * @param {Record<string, string>} attributes
 * @param {...(Node | string)} children
 * @returns {HTMLElementTagNameMap[K]}
 */
export function make(tag, attributes, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  element.append(...children);
  return element;
}

/** Sets text only where it differs, so that screen readers and selections are left alone. @param {Element} element @param {string} text */
export function setText(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

/** @param {number} value @param {number} step @param {string[]} units */
function scaled(value, step, units) {
  let place = 0;
  let size = value;
  while (size >= step && place < units.length - 1) {
    size /= step;
    place += 1;
  }
  const digits = place === 0 || size >= 100 ? 0 : size >= 10 ? 1 : 2;
  return `${size.toFixed(digits)}${units[place]}`;
}
