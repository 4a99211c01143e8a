/**
 * Programs that the benchmark starts, and their end. Each has a process group of its own, so that workers end with
 * their master, and gets SIGTERM from the kernel if the benchmark itself is killed.
 */
import { spawn } from 'node:child_process';
import { createSocket } from 'node:dgram';
import { mkdtempSync, openSync, readFileSync, rmSync } from 'node:fs';
import { connect, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { descriptorLimit } from './machine.js';

const READY_MS = 10_000;
const END_MS = 3_000;
/** Below the ports that the kernel gives to clients. */
const FIRST_PORT = 20_000;

/** @type {Set<Program>} */
const running = new Set();
let isEnding = false;
let nextPort = FIRST_PORT;
let count = 0;

/** Folder for configurations and logs; gone when the benchmark ends. */
export const scratch = mkdtempSync(join(tmpdir(), 'pen-bench-'));

process.on('exit', () => {
  for (const program of running) program.kill('SIGKILL');
  rmSync(scratch, { recursive: true, force: true });
});

/**
 * Ends everything that runs; `forGood`: and lets nothing be started any more.
 * @param {boolean} [forGood]
 */
export async function endAll(forGood = false) {
  isEnding ||= forGood;
  await Promise.all([...running].map((program) => program.end()));
}

/** A port of the loopback address that nobody has. */
export async function freePort() {
  for (;;) {
    const port = nextPort++;
    const isFree = await new Promise((resolve) => {
      const server = createServer()
        .on('error', () => resolve(false))
        .listen(port, '127.0.0.1', () => server.close(() => resolve(true)));
    });
    if (isFree) return port;
  }
}

export class Program {
  /** @type {string} */ #name;
  /** @type {string} */ #log;
  /** @type {import('node:child_process').ChildProcess} */ #child;
  /** @type {Promise<void>} */ #ended;
  #hasEnded = false;

  /**
   * @param {string} file
   * @param {string[]} args
   * @param {{ core: number, ipc?: boolean, cwd?: string, namespace?: string }} options `namespace`: of the network
   */
  constructor(file, args, { core, ipc = false, cwd = scratch, namespace }) {
    if (isEnding) throw new Error(`cannot start ${file}: told to end`);
    this.#name = `${file} ${args.join(' ')}`;
    this.#log = join(scratch, `log-${++count}`);
    const log = openSync(this.#log, 'a');
    const limit = descriptorLimit();
    const prefix = ['--pdeathsig', 'TERM', 'prlimit', `--nofile=${limit}:${limit}`, 'taskset', '-c', String(core)];
    const inside = namespace === undefined ? [] : ['ip', 'netns', 'exec', namespace];
    this.#child = spawn('setpriv', [...prefix, ...inside, file, ...args], {
      cwd,
      detached: true,
      stdio: ipc ? ['ignore', log, log, 'ipc'] : ['ignore', log, log],
    });
    running.add(this);
    this.#ended = new Promise((resolve) => {
      const ended = () => {
        this.#hasEnded = true;
        running.delete(this);
        resolve();
      };
      this.#child.once('exit', ended).once('error', ended);
    });
  }

  get pid() {
    return /** @type {number} */ (this.#child.pid);
  }

  /** What it has printed so far. */
  get output() {
    return readFileSync(this.#log, 'utf8');
  }

  /**
   * Returns when it takes connections; throws with its last lines if it ends or never does.
   * @param {number} port
   */
  async listens(port) {
    const deadline = Date.now() + READY_MS;
    while (Date.now() < deadline && !this.#hasEnded) {
      if (await canConnect(port)) return;
      await sleep(20);
    }
    throw new Error(`${this.#name} does not listen on port ${port}: ${this.output.slice(-400).trim()}`);
  }

  /**
   * Returns when a question comes back answered; throws as `listens` does.
   * @param {number} port
   */
  async answersDns(port) {
    const deadline = Date.now() + READY_MS;
    while (Date.now() < deadline && !this.#hasEnded) if (await hasAnswer(port)) return;
    throw new Error(`${this.#name} does not answer on port ${port}: ${this.output.slice(-400).trim()}`);
  }

  /**
   * Sends a message to a program of our own and returns its answer.
   * @param {object} message
   * @returns {Promise<any>}
   */
  ask(message) {
    const answer = this.says();
    this.#child.send(message);
    return answer;
  }

  /**
   * The next message of a program of our own that speaks first.
   * @returns {Promise<any>}
   */
  says() {
    return new Promise((resolve, reject) => {
      const died = () => reject(new Error(`${this.#name} has ended: ${this.output.slice(-400).trim()}`));
      this.#child.once('exit', died).once('message', (message) => {
        this.#child.off('exit', died);
        resolve(message);
      });
    });
  }

  /** Returns its output when it has ended by itself. */
  async finished() {
    await this.#ended;
    if (this.#child.exitCode !== 0) throw new Error(`${this.#name} failed: ${this.output.slice(-400).trim()}`);
    return this.output;
  }

  async end() {
    this.kill('SIGTERM');
    await Promise.race([this.#ended, sleep(END_MS, undefined, { ref: false })]);
    this.kill('SIGKILL');
    await this.#ended;
  }

  /** @param {NodeJS.Signals} signal */
  kill(signal) {
    if (this.#hasEnded || this.#child.pid === undefined) return;
    try {
      process.kill(-this.#child.pid, signal);
    } catch {
      // It has just ended.
    }
  }
}

/** @param {number} port */
function canConnect(port) {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1', () => {
      socket.destroy();
      resolve(true);
    }).on('error', () => resolve(false));
  });
}

/** RFC 1035 4.1: a header that asks for one name, and `a.example`, type A, class IN. */
const QUESTION = Buffer.from('123401000001000000000000016107' + '6578616d706c65' + '0000010001', 'hex');

/** @param {number} port */
function hasAnswer(port) {
  return new Promise((resolve) => {
    const socket = createSocket('udp4');
    const tell = (/** @type {boolean} */ answer) => {
      clearTimeout(timer);
      socket.close();
      resolve(answer);
    };
    const timer = setTimeout(tell, 100, false);
    socket.on('error', () => {}).once('message', () => tell(true));
    socket.send(QUESTION, port, '127.0.0.1');
  });
}
