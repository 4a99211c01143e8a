/**
 * Many connections that have asked once and now do nothing. A program of its own: told `{ port, count }` it answers
 * `{ open }` when all have been served; told `{ close: true }` it resets them.
 */
import { connect } from 'node:net';

const AT_A_TIME = 64;
const REQUEST = 'GET / HTTP/1.1\r\nHost: bench\r\n\r\n';

/** @type {import('node:net').Socket[]} */
const sockets = [];

process.on(
  'message',
  async (/** @type {{ port: number, count: number, close?: boolean }} */ { port, count, close }) => {
    if (close) for (const socket of sockets.splice(0)) socket.resetAndDestroy();
    let left = close ? 0 : count;
    await Promise.all(
      Array.from({ length: AT_A_TIME }, async () => {
        while (left-- > 0) await open(port);
      }),
    );
    process.send?.({ open: sockets.length });
  },
);
process.on('disconnect', () => process.exit());

/** @param {number} port */
function open(port) {
  return new Promise((/** @type {(value?: unknown) => void} */ resolve) => {
    const socket = connect({ port, host: '127.0.0.1', noDelay: true });
    socket.write(REQUEST);
    socket.on('error', resolve).on('close', resolve);
    socket.once('data', () => {
      sockets.push(socket);
      resolve();
    });
  });
}
