/** The thread of one worker: a TCP or UDP proxy on an engine, and the mail from the main thread. */
import { randomInt } from 'node:crypto';
import { readlinkSync } from 'node:fs';
import { isMainThread, parentPort, receiveMessageOnPort, workerData } from 'node:worker_threads';
import { isTransparent } from '../core/configuration.js';
import { createDatagrams, createEngine } from '../engine/choose.js';
import { keepCapabilities } from '../sys/capabilities.js';
import { transparencyCapabilities } from '../sys/transparency.js';
import { openTlsCounts } from '../tls/counts.js';
import { createTls } from '../tls/means.js';
import { INTRODUCED_BYTES } from './datagram-headers.js';
import { KEPT_BYTES } from './kept-datagrams.js';
import type { Post } from './mail.js';
import type { FromWorker, ToWorker, WorkerStart } from './messages.js';
import { TcpProxy } from './tcp-proxy.js';
import { UdpProxy } from './udp-proxy.js';

if (isMainThread || parentPort === null) throw new Error('proxy/worker.js runs as a worker thread only');
const port = parentPort;
const start = workerData as WorkerStart;

/** Messages that came as events: only an engine that lives on the event loop lets them come. */
const arrived: ToWorker[] = [];

const post: Post = {
  send: (message: FromWorker) => port.postMessage(message),
  next: () => arrived.shift() ?? (receiveMessageOnPort(port)?.message as ToWorker | undefined),
};

// Here, because the kernel keeps capabilities for each thread, and no other thread can do it for this one.
if (isTransparent(start.configuration.settings) && transparencyCapabilities().length > 0) keepCapabilities();

const { proxy, engine, close } = start.configuration.settings.udp ? await udp() : await tcp();
if (engine.wakeDescriptor < 0) {
  port.on('message', (message: ToWorker) => {
    arrived.push(message);
    proxy.readMail();
    proxy.turn(engine.now());
  });
}
const { wakeDescriptor, ownDescriptors } = engine;
post.send({ type: 'started', wakeDescriptor, ownDescriptors, thread: threadNumber() });
try {
  await engine.run();
} finally {
  close();
  post.send({ type: 'stopped' });
}
port.close();

async function tcp() {
  const { handler, keys, engine } = await createTls(
    start.engine,
    openTlsCounts(start.tlsCounts),
    (own) => new TcpProxy(start, post, own),
    (above) => createEngine(start.engine, above),
  );
  handler.attach(engine);
  return { proxy: handler, engine, close: () => keys.close() };
}

async function udp() {
  const proxy = new UdpProxy(start, post, randomInt(2 ** 32), randomInt(2 ** 32));
  const engine = await createDatagrams(start.engine, proxy, { keptBytes: KEPT_BYTES + INTRODUCED_BYTES });
  proxy.attach(engine);
  return { proxy, engine, close: () => {} };
}

/** Linux names the thread that asks: `4711/task/4712`. */
function threadNumber(): number {
  try {
    return Number(/\d+$/.exec(readlinkSync('/proc/thread-self'))?.[0] ?? 0);
  } catch {
    return 0;
  }
}
