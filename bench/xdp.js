/**
 * `npm run bench:xdp`: what the XDP program of Direct Server Return costs a packet, by BPF_PROG_TEST_RUN, and how many
 * packets a second it sends on over a veth pair, by live frames, beside a program that only swaps MAC addresses and
 * Debian's pen. Needs root; runs in network namespaces of its own. Prints tables in Markdown; of `servers`, `services` and
 * `rate` an argument chooses one.
 */
import { execFileSync, spawn, spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { assignCores, describeMachine } from './machine.js';
import { median, ratios } from './statistics.js';
import { tableText } from './table.js';
import { bpf, program as dsr, network, uapi } from './xdp/product.js';
import { always, clientFrame, countAndDrop, OFFSETS, swapMacs } from './xdp/programs.js';
import { clientQuestion, IN_PREFIX, manyServices, OWN_MAC, scene, VIPS } from './xdp/scene.js';

/** @typedef {import('../src/bpf/asm/index.js').Code} Code */

const { BpfMap, Program, TestRun, u32, u64, XdpLink } = bpf;
const { dsrProgram } = dsr;
const { XDP_PASS, XDP_TX } = uapi;

const REPEAT = 300_000;
const ROUNDS = 7;
const LIVE_FRAMES = 2_000_000;
const C_PEN = '/usr/bin/pen';
const OPTIONS = { ipv4: true, ipv6: true, vlan: true, acl: false, tunnels: false, prefixes: false, tarpit: false };

if (process.env.PEN_BENCH_INSIDE === undefined) {
  const self = fileURLToPath(import.meta.url);
  const env = { ...process.env, PEN_BENCH_INSIDE: '1' };
  const { status } = spawnSync('unshare', ['--net', '--mount', process.execPath, self, ...process.argv.slice(2)], {
    stdio: 'inherit',
    env,
  });
  process.exitCode = status ?? 1;
} else {
  for (const [name, value] of Object.entries(describeMachine(assignCores()))) console.log(`${name}: ${value}`);
  const only = process.argv[2];
  if (only === undefined || only === 'servers') nanoseconds();
  if (only === undefined || only === 'services') byServices();
  if (only === undefined || only === 'rate') await packetsPerSecond();
}

/** By program, family, kind of packet and number of servers. */
function nanoseconds() {
  /** @type {string[][]} */
  const rows = [];
  for (const servers of [1, 100, 10_000]) {
    for (const family of /** @type {const} */ (['ipv4', 'ipv6'])) {
      for (const name of ['knows its VIPs', 'looks them up']) {
        // Tables of its own, as those of another program would be full of that one's flows.
        const tables = scene(servers);
        const vips = name === 'knows its VIPs' ? tables.everyVip() : undefined;
        const { code } = dsrProgram(OPTIONS, vips);
        const { address, port } = OFFSETS[family];
        const other = family === 'ipv4' ? '10.9.0.200' : 'fd09::200';
        const cases = [
          { vary: undefined, to: undefined },
          { vary: { at: port, mask: 0x3fff, width: /** @type {const} */ (2) }, to: undefined },
          { vary: { at: address, mask: -1, width: /** @type {const} */ (4) }, to: undefined },
          { vary: undefined, to: other },
        ];
        rows.push([
          `${servers}`,
          family === 'ipv4' ? 'IPv4' : 'IPv6',
          name,
          ...cases.map(({ vary, to }) => cost(code, clientQuestion(family, to), vary, tables.maps)),
        ]);
        tables.close();
      }
    }
  }
  const columns = ['servers', 'family', 'program', 'one flow', 'one of 16,384 flows', 'new flow each', 'not for a VIP'];
  console.log(`\n${tableText({ title: 'Nanoseconds a packet, above what making the packet costs', columns, rows })}`);
}

/** By number of services, which all are looked up. */
function byServices() {
  /** @type {string[][]} */
  const rows = [];
  for (const services of [1, 16, 64, 512, 2048]) {
    const tables = manyServices(services);
    const { code } = dsrProgram({ ...OPTIONS, ipv6: false, prefixes: true });
    const { port } = OFFSETS.ipv4;
    // The last two bytes of the destination.
    const anyService = { at: 32, mask: services - 1, width: /** @type {const} */ (2) };
    const cases = [
      { vary: undefined, to: '10.20.0.0' },
      { vary: anyService, to: '10.20.0.0' },
      { vary: { at: port, mask: -1, width: /** @type {const} */ (2) }, to: '10.20.0.0' },
      { vary: undefined, to: IN_PREFIX },
      { vary: undefined, to: '10.9.0.200' },
    ];
    rows.push([
      `${services}`,
      ...cases.map(({ vary, to }) => cost(code, clientQuestion('ipv4', to), vary, tables.maps)),
    ]);
    tables.close();
  }
  const columns = ['services', 'one flow', 'a flow of each', 'of 65,536 flows', 'to a prefix', 'not for a VIP'];
  console.log(`\n${tableText({ title: 'Nanoseconds a packet, by number of services', columns, rows })}`);
}

/**
 * Median and spread of what `code` takes above a program that only makes the client's frame and transmits it.
 * @param {Code} code
 * @param {Uint8Array} frame
 * @param {{ at: number, mask: number, width: 2 | 4 } | undefined} vary
 * @param {Record<string, { fd: number }>} maps
 */
function cost(code, frame, vary, maps) {
  const client = { mac: OWN_MAC, ...(vary ? { vary } : {}) };
  const programs = [clientFrame(client, code), clientFrame(client, always(XDP_TX))].map((one) =>
    Program.load({ name: 'bench', code: one }, { maps }),
  );
  const run = new TestRun(programs[0]);
  /** @type {number[]} */
  const costs = [];
  try {
    for (let round = 0; round <= ROUNDS; round++) {
      const [ours, none] = programs.map((program) => {
        run.use(program);
        run.input.set(frame);
        run.run(frame.length, REPEAT);
        return run.nanoseconds;
      });
      // The first round fills the tables and the caches.
      if (round > 0) costs.push(ours - none);
    }
  } finally {
    run.close();
    for (const program of programs) program.close();
  }
  return `${median(costs)} (${Math.min(...costs)}-${Math.max(...costs)})`;
}

/** Over a veth pair, client and balancer each in a namespace; every frame that comes back to the client counts. */
async function packetsPerSecond() {
  ip('link', 'set', 'lo', 'up');
  ip('link', 'add', 'client0', 'type', 'veth', 'peer', 'name', 'balancer0');
  ip('address', 'add', '10.9.0.21/24', 'dev', 'client0');
  for (const device of ['client0', 'balancer0']) execFileSync('ethtool', ['-K', device, 'rx', 'off', 'tx', 'off']);
  ip('link', 'set', 'balancer0', 'address', '02:00:00:00:00:01');
  const counter = BpfMap.createPerCpu({ name: 'counter', type: 'perCpuArray', key: u32, value: u64, maxEntries: 1 });
  const tables = scene(100);
  const vips = tables.everyVip();
  const maps = { ...tables.maps, counter };
  const load = (/** @type {Code} */ code) => Program.load({ name: 'bench', code }, { maps });
  const pass = load(always(XDP_PASS));
  const client = XdpLink.attach(load(countAndDrop()), 'client0', 'native');
  const balancer = XdpLink.attach(pass, 'balancer0', 'native');
  // A namespace that the process below keeps, so that C Pen's sockets are on the balancer's side.
  const keeper = spawn('unshare', ['--net', 'sleep', '600'], { stdio: 'ignore' });
  process.on('exit', () => keeper.kill());
  await sleep(200);
  ip('link', 'set', 'balancer0', 'netns', `${keeper.pid}`);
  const inside = (/** @type {string[]} */ ...words) => execFileSync('nsenter', ['-t', `${keeper.pid}`, '-n', ...words]);
  inside('ip', 'link', 'set', 'lo', 'up');
  inside('ip', 'address', 'add', '10.9.0.1/24', 'dev', 'balancer0');
  inside('ip', 'link', 'set', 'balancer0', 'up');
  ip('link', 'set', 'client0', 'up');
  await sleep(500);

  const frame = clientQuestion('ipv4');
  const index = network.interfaceIndex('client0');
  const make = (/** @type {number} */ mask) =>
    load(clientFrame({ mac: OWN_MAC, vary: { at: OFFSETS.ipv4.port, mask, width: 2 } }, always(XDP_TX)));
  const generators = { 'one flow': make(0), '1,024 flows': make(0x3ff) };
  const programs = {
    'swaps MAC addresses': load(swapMacs()),
    'DSR, knows its VIPs': load(dsrProgram(OPTIONS, vips).code),
    'DSR, looks them up': load(dsrProgram(OPTIONS).code),
  };
  const run = new TestRun(pass);
  const counted = () => (counter.get(0) ?? []).reduce((sum, one) => sum + Number(one), 0);
  /**
   * @param {import('../src/bpf/index.js').Program} generator
   * @param {number} frames
   */
  const measure = async (generator, frames) => {
    run.use(generator);
    run.input.set(frame);
    run.sendLive(frame.length, index, { count: frames / 10 });
    await sleep(50);
    const before = counted();
    const start = process.hrtime.bigint();
    run.sendLive(frame.length, index, { count: frames });
    const seconds = Number(process.hrtime.bigint() - start) / 1e9;
    await sleep(50);
    const forwarded = counted() - before;
    return { rate: forwarded / seconds, lost: Math.max(0, frames - forwarded), offered: frames / seconds };
  };

  /** @type {string[][]} */
  const rows = [];
  for (const [flows, generator] of Object.entries(generators)) {
    /** @type {Record<string, number[]>} */
    const rates = {};
    let lost = 0;
    for (let round = 0; round < ROUNDS; round++) {
      for (const [name, program] of Object.entries(programs)) {
        balancer.update(program);
        const result = await measure(generator, LIVE_FRAMES);
        rates[name] = [...(rates[name] ?? []), result.rate];
        lost += result.lost;
      }
    }
    const [swap] = Object.values(rates);
    for (const [name, values] of Object.entries(rates))
      rows.push([
        name,
        flows,
        (median(values) / 1e6).toFixed(2),
        `${ratios(values, swap).median.toFixed(2)}`,
        `${lost}`,
      ]);
  }
  balancer.update(pass);
  if (existsSync(C_PEN))
    rows.push(...(await cPen(keeper.pid ?? 0, () => measure(generators['1,024 flows'], LIVE_FRAMES / 4))));
  const columns = ['balancer', 'flows', 'Mpps', 'of swapping', 'lost of all'];
  console.log(`\n${tableText({ title: 'Packets of 60 bytes sent on, live frames over veth', columns, rows })}`);
  for (const handle of [client, balancer, ...Object.values(programs), ...Object.values(generators), pass, counter])
    handle.close();
  run.close();
  tables.close();
}

/**
 * Debian's pen in the same place: offered more than it can take, what it sends on counts.
 * @param {number} namespace process that keeps it
 * @param {() => Promise<{ rate: number, offered: number }>} measure
 */
async function cPen(namespace, measure) {
  const words = [
    '-t',
    `${namespace}`,
    '-n',
    C_PEN,
    '-f',
    '-U',
    '-O',
    'dsr_if balancer0',
    `${VIPS.ipv4}:53`,
    '10.9.0.21:53',
  ];
  const pen = spawn('nsenter', words, { stdio: 'ignore' });
  process.on('exit', () => pen.kill());
  await sleep(2000);
  /** @type {number[]} */
  const rates = [];
  let offered = 0;
  for (let round = 0; round < ROUNDS; round++) {
    const result = await measure();
    rates.push(result.rate);
    offered = result.offered;
  }
  pen.kill();
  const rate = `${(median(rates) / 1e6).toFixed(3)} of ${(offered / 1e6).toFixed(2)} offered`;
  return [["Debian's pen", '1,024 flows', rate, '', '']];
}

/** @param {string[]} words */
function ip(...words) {
  execFileSync('ip', words);
}
