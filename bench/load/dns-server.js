/**
 * A name server that is no bottleneck: it turns each question into its own answer (the QR bit of RFC 1035 4.1.1) and sends
 * it back, in batches, on the product's own datagram engine. Sends its parent the port when it listens.
 */

import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { ROOT } from '../machine.js';

/** @type {typeof import('../../src/engine/choose.js')} */
const { createDatagrams } = await import(pathToFileURL(join(ROOT, 'dist/src/engine/choose.js')).href);

const FLAGS_AT = 2;
const QR = 0x80;

/** @type {import('../../src/engine/datagrams.js').Datagrams} */
let engine;
let path = 0;

/** @type {import('../../src/engine/datagrams.js').DatagramHandler} */
const handler = {
  listening(listener, result) {
    if (result < 0) throw new Error(`cannot listen: ${result}`);
    const endpoint = engine.boundTo(listener);
    process.send?.({ port: endpoint.kind === 'ip' ? endpoint.port : 0 });
  },
  arrived(listener, at, length) {
    if (length > FLAGS_AT) engine.memory[at + FLAGS_AT] |= QR;
    // A batch of the engine's is far smaller, so no answer that waits has its way back overwritten.
    path = (path + 1) & 0xffff;
    engine.keepPath(path);
    engine.reply(listener, path, at, length);
  },
  answered() {},
  failed() {},
  unsent() {},
  truncated() {},
  timer() {},
  turn() {},
};

engine = await createDatagrams('epoll', handler, { keptBytes: 0 });
engine.listen({ kind: 'ip', family: 4, address: [0, 0, 0xffff, 0x7f000001], port: 0 });
await engine.run();
