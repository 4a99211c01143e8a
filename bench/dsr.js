/**
 * `npm run bench:dsr`: what Direct Server Return is for. The balancer's link is held to 100 Mbit/s both ways; two
 * servers behind it hand a file of 1,024,000 bytes to `ab -n 1000 -c 20` over the VIP. How much of what was delivered
 * the balancer's link could have carried, and what it cost the balancer. Beside Debian's pen, in the same network.
 * Needs root; prints a table, and writes it to bench/results with --write.
 */
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { assignCores, describeMachine, ROOT } from './machine.js';
import { median } from './statistics.js';

/** Built by `npm run build`. */
const BED = new URL('../dist/test/support/dsr-bed.js', import.meta.url).href;
const { ask, dsrBed, site, VIP } = /** @type {typeof import('../test/support/dsr-bed.js')} */ (await import(BED));

const LINK_BITS = 100_000_000;
const FILE_BYTES = 1_024_000;
const REQUESTS = 1000;
const CONCURRENCY = 20;
const ROUNDS = 3;
/**
 * @typedef {import('../test/support/dsr-bed.js').DsrBed} DsrBed
 * @typedef {{ failed: number, seconds: number, linkBytes: number, cpuSeconds: number }} Round
 * @typedef {{ pid: number, stop: () => Promise<unknown> }} Balancer
 */

/** @type {Array<() => unknown>} */
const ends = [];
const scene = { after: (/** @type {() => unknown} */ end) => void ends.push(end) };

/** @type {Record<string, (bed: DsrBed) => Promise<Balancer>>} */
const balancers = {
  'Pen, dsr_if': (bed) =>
    bed.pen({ options: ['-O', 'dsr_if slow', '-r'], listen: `${VIP}:80`, servers: [0, 1].map(bed.addressOf) }),
  "Debian's pen, dsr_if": async (bed) => {
    const servers = [0, 1].map((n) => `${bed.addressOf(n)}:80`);
    // It dumps every ARP packet to its output.
    const words = [
      '-c',
      'exec "$0" "$@" >/dev/null 2>&1',
      '/usr/bin/pen',
      '-f',
      '-r',
      '-O',
      'dsr_if slow',
      `${VIP}:80`,
      ...servers,
    ];
    const running = bed.balancer.start(scene, 'sh', words);
    return { pid: running.child.pid ?? 0, stop: () => running.stop() };
  },
};

async function main() {
  const bed = await dsrBed(scene, 2, { rate: '100mbit' });
  for (const server of bed.servers) await site(scene, server, FILE_BYTES);
  /** @type {string[][]} */
  const rows = [];
  for (const [name, start] of Object.entries(balancers)) {
    const balancer = await start(bed);
    await serves(bed);
    /** @type {Round[]} */
    const rounds = [];
    for (let round = 0; round < ROUNDS; round++) rounds.push(await measure(bed, balancer.pid));
    await balancer.stop();
    rows.push([name, ...summary(rounds)]);
    await sleep(500);
  }
  report(rows);
}

/** Both servers have been seen behind the VIP. */
async function serves(/** @type {DsrBed} */ bed) {
  for (let attempt = 0; attempt < 50; attempt++) {
    const bodies = await ask(bed.client, `http://${VIP}/`, 20).catch(() => []);
    if (new Set(bodies).size === 2) return;
    await sleep(100);
  }
  throw new Error('the VIP does not answer from both servers');
}

/** @returns {Promise<Round>} */
async function measure(/** @type {DsrBed} */ bed, /** @type {number} */ pid) {
  const before = { cpu: cpuSeconds(pid), link: await linkBytes(bed) };
  const load = ['-q', '-n', `${REQUESTS}`, '-c', `${CONCURRENCY}`, `http://${VIP}/files/big`];
  const said = await bed.client.run('ab', load, 120_000);
  const figure = (/** @type {RegExp} */ pattern) => Number(pattern.exec(said)?.[1]);
  return {
    failed: figure(/Failed requests:\s+(\d+)/) + REQUESTS - figure(/Complete requests:\s+(\d+)/),
    seconds: figure(/Time taken for tests:\s+([\d.]+)/),
    linkBytes: (await linkBytes(bed)) - before.link,
    cpuSeconds: cpuSeconds(pid) - before.cpu,
  };
}

/** Time on a processor of a process, all its threads (/proc/PID/task/TID/schedstat, nanoseconds). */
function cpuSeconds(/** @type {number} */ pid) {
  const times = readdirSync(`/proc/${pid}/task`).map((thread) => {
    return Number(readFileSync(`/proc/${pid}/task/${thread}/schedstat`, 'latin1').split(' ')[0]);
  });
  return times.reduce((sum, time) => sum + time, 0) / 1e9;
}

/** What the balancer has received, which XDP counts too. */
async function linkBytes(/** @type {DsrBed} */ bed) {
  const [link] = JSON.parse(await bed.balancer.run('ip', ['-j', '-s', 'link', 'show', 'slow']));
  return link.stats64.rx.bytes;
}

/** @returns {string[]} */
function summary(/** @type {Round[]} */ rounds) {
  const delivered = median(rounds.map(({ seconds }) => (REQUESTS * FILE_BYTES * 8) / seconds));
  const cpu = median(rounds.map((round) => (100 * round.cpuSeconds) / round.seconds));
  const through = median(rounds.map((round) => (round.linkBytes * 8) / round.seconds));
  return [
    `${Math.max(...rounds.map(({ failed }) => failed))}`,
    `${Math.round(delivered / 1e6).toLocaleString('en-US')}`,
    (delivered / LINK_BITS).toFixed(1),
    (through / 1e6).toFixed(1),
    `${cpu.toFixed(2)} %`,
  ];
}

function report(/** @type {string[][]} */ rows) {
  const machine = Object.entries(describeMachine(assignCores()))
    .filter(([key]) => key !== 'cores')
    .map(([key, value]) => `- ${key}: ${value}`);
  const head = ['', 'failed', 'delivered Mbit/s', 'delivered / link', 'into the balancer Mbit/s', 'its CPU'];
  const line = (/** @type {string[]} */ cells) => `| ${cells.join(' | ')} |`;
  const table = [line(head), line(head.map((_, i) => (i === 0 ? '---' : '---:'))), ...rows.map(line)];
  const title = `# Direct Server Return through a link of 100 Mbit/s`;
  const what = `\`ab -n ${REQUESTS} -c ${CONCURRENCY}\`, ${FILE_BYTES.toLocaleString('en-US')} bytes, two servers, median of ${ROUNDS} rounds; client, servers and balancer share the machine (network namespaces).`;
  const text = [title, '', what, '', ...table, '', ...machine, ''].join('\n');
  process.stdout.write(text);
  if (!process.argv.includes('--write')) return;
  const date = new Date().toISOString().slice(0, 10);
  writeFileSync(join(ROOT, 'bench/results', `${date}-dsr.md`), text);
}

try {
  await main();
} finally {
  for (const end of ends.reverse()) await end();
}
