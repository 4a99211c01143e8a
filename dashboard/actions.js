/** What an operator can do to a server, each after a question that says what it means. */
import { byId } from './format.js';
import { command, keepToken, onTokenNeeded } from './stream.js';

/**
 * @typedef {import('./servers.js').Server} Server
 * @typedef {object} Question
 * @property {string} title
 * @property {string} text
 * @property {string} ok the button that does it
 * @property {string} [label] of the number that is asked for
 * @property {number} [value] of it at first
 * @property {(value: number) => Promise<unknown>} act
 */

/** Asks, and then does it. @param {string} action @param {Server} server */
export function act(action, server) {
  const question = questions[action]?.(server);
  if (question) ask(question);
}

/** @type {Record<string, (server: Server) => Question>} */
const questions = {
  drain: ({ server, address, state, connections }) =>
    state === 'draining'
      ? {
          title: `Let server ${server} take connections again?`,
          text: `${address} gets its share of new connections.`,
          ok: 'Undrain',
          act: () => command('no-drain', [server]),
        }
      : {
          title: `Drain server ${server}?`,
          text: `${address} takes no new connection. The ${connections} it has go on to their end; its clients are sent to others.`,
          ok: 'Drain',
          act: () => command('drain', [server]),
        },
  blacklist: ({ server, address, state }) =>
    state === 'blacklisted'
      ? {
          title: `Try server ${server} again now?`,
          text: `${address} is no longer blacklisted. If it fails again, it is left alone again.`,
          ok: 'Clear',
          act: () => command('server', [server, 'blacklist', 0]),
        }
      : {
          title: `Blacklist server ${server}?`,
          text: `${address} is left alone for that time, then tried again.`,
          ok: 'Blacklist',
          label: 'Seconds',
          value: 60,
          act: (seconds) => command('server', [server, 'blacklist', seconds]),
        },
  weight: ({ server, address, weight }) => ({
    title: `Weight of server ${server}`,
    text: `${address}. Weights count where selection is by weight; 0 takes no new connection.`,
    ok: 'Set weight',
    label: 'Weight',
    value: weight,
    act: (value) => command('server', [server, 'weight', value]),
  }),
};

/** @param {Question} question */
function ask({ title, text, ok, label, value, act: carryOut }) {
  const dialog = /** @type {HTMLDialogElement} */ (byId('confirm'));
  const field = /** @type {HTMLInputElement} */ (byId('confirm-value'));
  byId('confirm-title').textContent = title;
  byId('confirm-text').textContent = text;
  byId('confirm-error').textContent = '';
  byId('confirm-ok').textContent = ok;
  byId('confirm-field').hidden = label === undefined;
  byId('confirm-label').textContent = label ?? '';
  field.value = String(value ?? 0);
  field.required = label !== undefined;
  byId('confirm-cancel').onclick = () => dialog.close();
  /** @type {HTMLFormElement} */ (dialog.querySelector('form')).onsubmit = (event) => {
    event.preventDefault();
    carryOut(Number(field.value)).then(
      () => dialog.close(),
      (error) => {
        byId('confirm-error').textContent = error.message;
      },
    );
  };
  dialog.showModal();
  if (label !== undefined) field.select();
}

onTokenNeeded(
  () =>
    new Promise((resolve) => {
      const dialog = /** @type {HTMLDialogElement} */ (byId('login'));
      const field = /** @type {HTMLInputElement} */ (byId('token'));
      byId('login-error').textContent = field.value === '' ? '' : 'That is not it.';
      dialog.oncancel = (event) => event.preventDefault();
      /** @type {HTMLFormElement} */ (dialog.querySelector('form')).onsubmit = () => {
        keepToken(field.value.trim());
        resolve();
      };
      if (!dialog.open) dialog.showModal();
    }),
);
