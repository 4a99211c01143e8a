/**
 * A veth pair with a client at one end and a balancer, in a network namespace of its own, at the other. The client is a
 * program that makes frames as fast as the kernel takes them, or at a pace; every frame that comes back to it counts.
 */
import { execFileSync, spawn } from 'node:child_process';
import { setTimeout as sleep } from 'node:timers/promises';
import { bpf, network, uapi } from './product.js';
import { always, clientFrame, countAndDrop } from './programs.js';
import { OWN_MAC } from './scene.js';

/** @typedef {import('../../src/bpf/asm/index.js').Code} Code */
/** @typedef {import('../../src/bpf/index.js').Program} Program */

const { BpfMap, Program, TestRun, u32, u64, XdpLink } = bpf;
const { XDP_PASS, XDP_TX } = uapi;

export const CLIENT_ADDRESS = '10.9.0.21';
export const BALANCER_INTERFACE = 'balancer0';
const CLIENT_INTERFACE = 'client0';
/** Frames that the kernel makes in one go. */
const BATCH = 64;
/** Frames under way have come back by then. */
const SETTLE_MS = 50;

/** The bed, in this process's network namespace, which must be its own and must not have one yet. */
export async function vethBed() {
  ip('link', 'set', 'lo', 'up');
  ip('link', 'add', CLIENT_INTERFACE, 'type', 'veth', 'peer', 'name', BALANCER_INTERFACE);
  ip('address', 'add', `${CLIENT_ADDRESS}/24`, 'dev', CLIENT_INTERFACE);
  for (const device of [CLIENT_INTERFACE, BALANCER_INTERFACE])
    execFileSync('ethtool', ['-K', device, 'rx', 'off', 'tx', 'off']);
  ip('link', 'set', BALANCER_INTERFACE, 'address', Buffer.from(OWN_MAC).toString('hex').replace(/..\B/g, '$&:'));
  const bed = new VethBed();
  await sleep(200);
  ip('link', 'set', BALANCER_INTERFACE, 'netns', `${bed.namespace}`);
  bed.inside('ip', 'link', 'set', 'lo', 'up');
  bed.inside('ip', 'address', 'add', '10.9.0.1/24', 'dev', BALANCER_INTERFACE);
  bed.inside('ip', 'link', 'set', BALANCER_INTERFACE, 'up');
  ip('link', 'set', CLIENT_INTERFACE, 'up');
  await sleep(500);
  return bed;
}

class VethBed {
  /** @type {Array<{ close(): void }>} */ #handles = [];
  #counter = this.#keep(
    BpfMap.createPerCpu({ name: 'counter', type: 'perCpuArray', key: u32, value: u64, maxEntries: 1 }),
  );
  /** Passes all to the kernel. */
  pass = this.load(always(XDP_PASS));
  /** The program at the balancer's end; over veth what XDP sends arrives only where there is one. */
  balancer = this.#keep(XdpLink.attach(this.pass, BALANCER_INTERFACE, 'native'));
  #run = this.#keep(new TestRun(this.pass));
  /** A process that keeps the balancer's namespace. */
  #keeper = spawn('unshare', ['--net', 'sleep', '900'], { stdio: 'ignore' });

  constructor() {
    this.#keep(XdpLink.attach(this.load(countAndDrop()), CLIENT_INTERFACE, 'native'));
    process.on('exit', () => this.#keeper.kill());
  }

  /** The process whose namespace the balancer's end is in. */
  get namespace() {
    return this.#keeper.pid ?? 0;
  }

  /**
   * Runs a command there.
   * @param {string[]} words
   */
  inside(...words) {
    return execFileSync('nsenter', ['-t', `${this.namespace}`, '-n', ...words]);
  }

  /**
   * @param {Code} code
   * @param {Record<string, { fd: number }>} [maps]
   * @returns {Program} closed with the bed
   */
  load(code, maps = {}) {
    return this.#keep(Program.load({ name: 'bench', code }, { maps: { ...maps, counter: this.#counter } }));
  }

  /**
   * A program that makes a frame one of a client's again, and has it leave; `whole` if what comes back is an answer.
   * @param {{ at: number, mask: number, width: 2 | 4 }} vary
   * @param {Uint8Array} [whole]
   */
  generator(vary, whole) {
    return this.load(clientFrame({ mac: OWN_MAC, vary, ...(whole ? { whole } : {}) }, always(XDP_TX)));
  }

  /**
   * So many frames, as fast as they go; what comes back of them.
   * @param {Program} generator
   * @param {Uint8Array} frame
   * @param {number} frames
   */
  async flood(generator, frame, frames) {
    this.#take(generator, frame);
    this.#send(frame, frames / 10);
    await sleep(SETTLE_MS);
    const before = this.#counted();
    const start = process.hrtime.bigint();
    this.#send(frame, frames);
    const seconds = Number(process.hrtime.bigint() - start) / 1e9;
    await sleep(SETTLE_MS);
    const back = this.#counted() - before;
    return { rate: back / seconds, lost: Math.max(0, frames - back), offered: frames / seconds };
  }

  /**
   * So many frames a second, a batch of the kernel's at a time; how many were sent and came back.
   * @param {Program} generator
   * @param {Uint8Array} frame
   * @param {{ perSecond: number, seconds: number }} pace
   */
  async pace(generator, frame, { perSecond, seconds }) {
    this.#take(generator, frame);
    const before = this.#counted();
    const start = performance.now();
    let sent = 0;
    for (; sent < perSecond * seconds; sent += BATCH) {
      const early = start + (sent / perSecond) * 1000 - performance.now();
      if (early > 0) await sleep(early);
      this.#send(frame, BATCH);
    }
    await sleep(SETTLE_MS);
    return { sent, back: this.#counted() - before };
  }

  close() {
    for (const handle of this.#handles.reverse()) handle.close();
    ip('link', 'delete', CLIENT_INTERFACE);
    this.#keeper.kill();
  }

  #take(/** @type {Program} */ generator, /** @type {Uint8Array} */ frame) {
    this.#run.use(generator);
    this.#run.input.set(frame);
  }

  #send(/** @type {Uint8Array} */ frame, /** @type {number} */ count) {
    this.#run.sendLive(frame.length, network.interfaceIndex(CLIENT_INTERFACE), { count });
  }

  #counted() {
    return (this.#counter.get(0) ?? []).reduce((sum, one) => sum + Number(one), 0);
  }

  /**
   * @template {{ close(): void }} T
   * @param {T} handle
   */
  #keep(handle) {
    this.#handles.push(handle);
    return handle;
  }
}

function ip(/** @type {string[]} */ ...words) {
  execFileSync('ip', words);
}
