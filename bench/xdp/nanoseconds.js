/** What the XDP program costs a packet, by BPF_PROG_TEST_RUN, above what making the packet costs. */
import { median } from '../statistics.js';
import { tableText } from '../table.js';
import { bpf, program as dsr, uapi } from './product.js';
import { always, clientFrame, OFFSETS } from './programs.js';
import { clientQuestion, IN_PREFIX, manyServices, OPTIONS, OWN_MAC, scene } from './scene.js';

/** @typedef {import('../../src/bpf/asm/index.js').Code} Code */

const { Program, TestRun } = bpf;
const { dsrProgram } = dsr;
const { XDP_TX } = uapi;

const REPEAT = 300_000;
const ROUNDS = 7;

/** By program, family, kind of packet and number of servers. */
export function byServers() {
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
export function byServices() {
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
