/**
 * How many packets a second programs send on that take them from the kernel: Pen with packet rings beside Debian's pen, in
 * turn, each offered more than it can take over a veth pair: alone on a core with all its threads, then on all cores, one
 * of which the load generator is on as well.
 */
import { existsSync } from 'node:fs';
import { ratios, spread } from '../statistics.js';
import { tableText } from '../table.js';
import { ALL_CORES, OWN_CORE, PEN, startInside } from './balancer.js';
import { OFFSETS } from './programs.js';
import { clientQuestion, VIPS } from './scene.js';
import { BALANCER_INTERFACE, CLIENT_ADDRESS, vethBed } from './veth.js';

const C_PEN = '/usr/bin/pen';
const ROUNDS = 7;
const FRAMES = 1_000_000;
/** Many enough to be seen coming back. */
const PROBE_FRAMES = 200;

/** The interface, the service and its only server, which is the client's end of the cable. */
const WORDS = [`${VIPS.ipv4}:53`, `${CLIENT_ADDRESS}:53`];
const OURS = [...PEN, '-f', '-U', '-O', 'dsr_mode packet'];
const THEIRS = [C_PEN, '-f', '-U'];
/** @type {Array<{ title: string, cores: string, balancers: Record<string, string[]> }>} */
const CONTESTS = [
  {
    title: 'Packets of 60 bytes sent on by a program on one core, over veth',
    cores: OWN_CORE,
    balancers: { 'Pen, dsr_mode packet, threads 1': [...OURS, '-O', 'threads 1'], "Debian's pen": THEIRS },
  },
  {
    title: `The same on all cores (${ALL_CORES})`,
    cores: ALL_CORES,
    balancers: { 'Pen, dsr_mode packet': OURS, "Debian's pen": THEIRS },
  },
];

export async function userSpaceRates() {
  if (!existsSync(C_PEN)) throw new Error(`${C_PEN} is not there (Debian: apt-get install pen)`);
  const bed = await vethBed();
  for (const contest of CONTESTS) console.log(`\n${await contestTable(bed, contest)}`);
  bed.close();
}

/**
 * @param {Awaited<ReturnType<typeof vethBed>>} bed
 * @param {{ title: string, cores: string, balancers: Record<string, string[]> }} contest
 */
async function contestTable(bed, { title, cores, balancers }) {
  const frame = clientQuestion('ipv4');
  /** @type {string[][]} */
  const rows = [];
  for (const [flows, mask] of Object.entries({ 'one flow': 0, '1,024 flows': 0x3ff, 'new flow each': -1 })) {
    const vary = mask === -1 ? OFFSETS.ipv4.address : OFFSETS.ipv4.port;
    const generator = bed.generator({ at: vary, mask, width: mask === -1 ? 4 : 2 });
    /** @type {Record<string, number[]>} */
    const rates = {};
    /** @type {Record<string, number[]>} */
    const offers = {};
    for (let round = 0; round < ROUNDS; round++) {
      for (const [name, words] of Object.entries(balancers)) {
        const running = startInside(bed.namespace, [...words, '-O', `dsr_if ${BALANCER_INTERFACE}`, ...WORDS], cores);
        try {
          await running.answers(() => bed.flood(generator, frame, PROBE_FRAMES));
          const { rate, offered } = await bed.flood(generator, frame, FRAMES);
          rates[name] = [...(rates[name] ?? []), rate];
          offers[name] = [...(offers[name] ?? []), offered];
        } finally {
          await running.stop();
        }
      }
    }
    const [, reference] = Object.values(rates);
    for (const [name, values] of Object.entries(rates))
      rows.push([name, flows, figure(values, 1e6), figure(offers[name], 1e6), figure(ratios(values, reference), 1)]);
  }
  const columns = ['balancer', 'flows', 'Mpps', 'Mpps offered', "of Debian's pen"];
  return tableText({ title, columns, rows });
}

/**
 * @param {number[] | import('../statistics.js').Spread} values
 * @param {number} unit
 */
function figure(values, unit) {
  const { median, min, max } = Array.isArray(values) ? spread(values) : values;
  const [middle, least, most] = [median, min, max].map((value) => (value / unit).toFixed(2));
  return `${middle} (${least}-${most})`;
}
