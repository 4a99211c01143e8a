/**
 * Requests by TLS on connections of their own, each resuming the session of the one before: wrk cannot. Run as a program it
 * is the load (`resuming.js PORT CONNECTIONS SECONDS`) and prints what it has counted.
 */
import { connect } from 'node:tls';
import { fileURLToPath } from 'node:url';
import { Program } from '../program.js';

/**
 * @param {number} port
 * @param {{ core: number, connections: number, seconds: number }} options
 * @returns {Promise<import('./wrk.js').Load>}
 */
export async function loadByResuming(port, { core, connections, seconds }) {
  const args = [fileURLToPath(import.meta.url), port, connections, seconds].map(String);
  const program = new Program(process.execPath, args, { core });
  return JSON.parse(await program.finished());
}

/**
 * @param {number} port
 * @param {Buffer | undefined} session
 * @returns {Promise<{ session: Buffer | undefined, isResumed: boolean }>}
 */
function ask(port, session) {
  return new Promise((resolve, reject) => {
    const socket = connect({ host: '127.0.0.1', port, session, rejectUnauthorized: false });
    socket.setTimeout(10_000, () => socket.destroy(new Error('no answer')));
    socket.on('secureConnect', () => socket.write('GET / HTTP/1.1\r\nHost: bench\r\nConnection: close\r\n\r\n'));
    let hasAnswer = false;
    socket.on('data', () => {
      hasAnswer = true;
    });
    socket.on('error', reject).on('end', () => {
      if (!hasAnswer) reject(new Error('closed'));
      resolve({ session: socket.getSession(), isResumed: socket.isSessionReused() });
      socket.destroy();
    });
  });
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const [port, connections, seconds] = process.argv.slice(2).map(Number);
  const end = performance.now() + seconds * 1000;
  /** @type {number[]} */
  const times = [];
  let errors = 0;
  const client = async () => {
    let session;
    while (performance.now() < end) {
      const start = performance.now();
      try {
        const answer = await ask(port, session);
        // The first of each client is no resumption, any other that is none is an error.
        if (session !== undefined && !answer.isResumed) errors++;
        session = answer.session;
        times.push((performance.now() - start) * 1000);
      } catch {
        errors++;
        session = undefined;
      }
    }
  };
  await Promise.all(Array.from({ length: connections }, client));
  times.sort((a, b) => a - b);
  const at = (/** @type {number} */ share) => times[Math.floor(times.length * share)] ?? Number.NaN;
  const requests = times.length;
  process.stdout.write(
    JSON.stringify({ requests, perSecond: requests / seconds, p50Us: at(0.5), p99Us: at(0.99), errors }),
  );
}
