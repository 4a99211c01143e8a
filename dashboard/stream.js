/** Talking to pen: questions, commands, and the stream of frames, which is read by fetch so that it can carry the token. */
import { Kept } from './kept.js';

/** Until the tab is closed. */
const token = new Kept('sessionStorage', 'pen-token');
const RETRY_MS = 1000;
/** Frames come every second; after so long without one the connection is dead, whatever the socket says. */
const SILENCE_MS = 5000;

/** Pen has answered, but not with what was asked for; the message is pen's own. */
class Refusal extends Error {}

/** Set by whoever can ask the user for a token. @type {() => Promise<void>} */
let askForToken = () => Promise.reject(new Error('a token is needed'));
/** One question at a time. @type {Promise<void> | undefined} */
let asking;

/** @param {() => Promise<void>} ask resolves when `keepToken` has been given one */
export function onTokenNeeded(ask) {
  askForToken = ask;
}

/** @param {string} text */
export function keepToken(text) {
  token.write(text);
}

/** JSON of a path. Throws Error with pen's own words. @param {string} path @returns {Promise<any>} */
export async function read(path) {
  return (await request(path)).json();
}

/** Gives a command; resolves when it is done. Throws Error with pen's own words. @param {string} name @param {(string | number)[]} words */
export async function command(name, words) {
  const response = await request(`api/v1/commands/${name}`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ arguments: words }),
  });
  return response.json();
}

/**
 * Frames for as long as the page is open, across lost connections.
 * @param {(frame: any) => void} onFrame
 * @param {(state: 'live' | 'lost', why: string) => void} onState why it is lost, in pen's words; '' if pen says nothing
 */
export async function follow(onFrame, onState) {
  for (;;) {
    let why = '';
    const end = new AbortController();
    let alarm = setTimeout(() => end.abort(), SILENCE_MS);
    try {
      const response = await request('api/v1/live', { signal: end.signal });
      await readEvents(response, (text) => {
        clearTimeout(alarm);
        alarm = setTimeout(() => end.abort(), SILENCE_MS);
        onState('live', '');
        onFrame(JSON.parse(text));
      });
    } catch (error) {
      if (error instanceof Refusal) why = error.message;
    }
    clearTimeout(alarm);
    end.abort();
    onState('lost', why);
    await new Promise((resolve) => setTimeout(resolve, RETRY_MS));
  }
}

/** @param {string} path @param {RequestInit} [options] @returns {Promise<Response>} */
async function request(path, options = {}) {
  for (;;) {
    const text = token.read();
    const headers = { ...options.headers, ...(text ? { authorization: `Bearer ${text}` } : {}) };
    const response = await fetch(path, { ...options, headers, cache: 'no-store' });
    if (response.ok) return response;
    if (response.status === 401) {
      asking ??= askForToken().finally(() => {
        asking = undefined;
      });
      await asking;
      continue;
    }
    const answer = await response.json().catch(() => ({}));
    throw new Refusal(answer.error ?? `pen answered ${response.status}`);
  }
}

/** Blocks of lines that end with an empty one (WHATWG HTML, server-sent events). @param {Response} response @param {(data: string) => void} onData */
async function readEvents(response, onData) {
  if (!response.body) return;
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
  let text = '';
  for (;;) {
    const { value, done } = await reader.read();
    if (done) return;
    text += value;
    for (let end = text.indexOf('\n\n'); end >= 0; end = text.indexOf('\n\n')) {
      const data = text
        .slice(0, end)
        .split('\n')
        .filter((line) => line.startsWith('data: '))
        .map((line) => line.slice('data: '.length));
      text = text.slice(end + 2);
      if (data.length > 0) onData(data.join('\n'));
    }
  }
}
