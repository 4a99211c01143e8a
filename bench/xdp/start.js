/**
 * How long 512 services of 100 servers take: to start, from exec to the line that says that it serves; to read the file
 * again (HUP) with one server changed; to change one server by penctl, and how many entries of maps that writes
 * (strace(1)). All servers answer, nearly all, or none.
 */
import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { spread } from '../statistics.js';
import { tableText } from '../table.js';
import { PEN, startInside } from './balancer.js';
import { cable } from './cable.js';

const SERVICES = 512;
const SERVERS = 100;
const ROUNDS = 7;
/** It answers in every farm that answers. */
const CHANGED = 90;
const PATIENCE_MS = 30_000;

/** The last service, the only one that changes. */
const LAST = vipOf(SERVICES - 1);

export async function startTimes() {
  const link = cable();
  const folder = mkdtempSync(join(tmpdir(), 'pen-bench-'));
  try {
    /** @type {string[][]} */
    const rows = [];
    for (const [who, farm] of Object.entries(link.farms)) {
      /** @type {Record<string, number[]>} */
      const figures = {};
      for (let round = 0; round < ROUNDS; round++)
        for (const [name, figure] of Object.entries(await measured(link, folder, farm)))
          figures[name] = [...(figures[name] ?? []), figure];
      for (const [name, values] of Object.entries(figures)) {
        const { median, min, max } = spread(values);
        const [mid, least, most] = [median, min, max].map((value) => Math.round(value).toLocaleString('en'));
        rows.push([name, who, `${mid} (${least}-${most})`]);
      }
    }
    const title = `${SERVICES} services of ${SERVERS} servers`;
    console.log(`\n${tableText({ title, columns: ['', 'servers', 'median (least-greatest)'], rows })}`);
  } finally {
    rmSync(folder, { recursive: true });
    link.close();
  }
}

/**
 * One process, from its start to its end.
 * @param {import('./cable.js').Cable} link
 * @param {string} folder
 * @param {string} farm
 */
async function measured(link, folder, farm) {
  const file = join(folder, 'pen.conf');
  const socket = join(folder, 'ctl');
  writeFileSync(file, configuration(farm, 1));
  const options = ['-f', '-O', `dsr_if ${link.balancer}`, '-O', 'dsr_mode xdp', '-F', file, '-C', socket];
  const from = performance.now();
  const pen = startInside(process.pid, [...PEN, ...options]);
  try {
    await pen.says('serving 512 VIPs', PATIENCE_MS);
    const start = performance.now() - from;
    // Whoever does not answer is told of once it is certain, and those who do are all known by then.
    await sleep(3000);
    writeFileSync(file, configuration(farm, 2));
    const again = performance.now();
    process.kill(pen.pid, 'SIGHUP');
    await pen.says('settings read again', PATIENCE_MS);
    const reload = performance.now() - again;
    const change = performance.now();
    await ask(socket, `dsr_vip ${LAST} server ${farm}.${CHANGED} weight 3`);
    const command = performance.now() - change;
    const written = await writesOf(pen.pid, () => ask(socket, `dsr_vip ${LAST} server ${farm}.${CHANGED} weight 4`));
    return { 'start, ms': start, 'HUP, ms': reload, 'penctl, ms': command, 'penctl, entries written': written };
  } finally {
    await pen.stop();
  }
}

/**
 * As `write` writes it: a line for each service and each server.
 * @param {string} farm
 * @param {number} weight of the server that changes, of the last service
 */
function configuration(farm, weight) {
  /** @type {string[]} */
  const lines = [];
  for (let service = 0; service < SERVICES; service++) {
    const vip = vipOf(service);
    lines.push(`dsr_vip ${vip} tcp`);
    for (let server = 1; server <= SERVERS; server++) {
      const isChanged = service === SERVICES - 1 && server === CHANGED;
      lines.push(`dsr_vip ${vip} tcp server ${farm}.${server} weight ${isChanged ? weight : 1} encap none`);
    }
  }
  return `${lines.join('\n')}\n`;
}

function vipOf(/** @type {number} */ service) {
  return `10.100.${service >> 8}.${service & 255}:80`;
}

/**
 * One command, until its reply has come whole; throws if that is an error.
 * @param {string} socket
 * @param {string} command
 */
async function ask(socket, command) {
  const reply = await new Promise((resolve, reject) => {
    let text = '';
    connect(socket)
      .on('data', (part) => {
        text += part;
      })
      .on('end', () => resolve(text))
      .on('error', reject)
      .end(`${command}\n`);
  });
  if (reply !== '') throw new Error(`${command}: ${reply}`);
}

/**
 * Entries of maps that a process writes or deletes meanwhile.
 * @param {number} pid
 * @param {() => Promise<void>} body
 */
async function writesOf(pid, body) {
  const tracer = spawn('strace', ['-p', `${pid}`, '-e', 'trace=bpf'], { stdio: ['ignore', 'ignore', 'pipe'] });
  let said = '';
  tracer.stderr.setEncoding('utf8').on('data', (text) => {
    said += text;
  });
  for (const end = Date.now() + PATIENCE_MS; !said.includes('attached'); await sleep(10))
    if (Date.now() > end) throw new Error(`strace: ${said}`);
  await body();
  const ended = new Promise((resolve) => tracer.once('close', resolve));
  tracer.kill('SIGINT');
  await ended;
  const single = said.match(/BPF_MAP_(UPDATE|DELETE)_ELEM/g)?.length ?? 0;
  const batches = [...said.matchAll(/BPF_MAP_(?:UPDATE|DELETE)_BATCH.*?count=(\d+)/g)];
  return batches.reduce((sum, [, count]) => sum + Number(count), single);
}
