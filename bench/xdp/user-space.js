/**
 * How many packets a second programs send on that take them from the kernel: Pen with packet rings beside Debian's pen, in
 * turn, each offered more than it can take over a veth pair, and each alone on a core with all its threads.
 */
import { existsSync } from 'node:fs';
import { ratios, spread } from '../statistics.js';
import { tableText } from '../table.js';
import { PEN, startInside } from './balancer.js';
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
const BALANCERS = {
  'Pen, dsr_mode packet': [...PEN, '-f', '-U', '-O', 'dsr_mode packet'],
  "Debian's pen": [C_PEN, '-f', '-U'],
};

export async function userSpaceRates() {
  if (!existsSync(C_PEN)) throw new Error(`${C_PEN} is not there (Debian: apt-get install pen)`);
  const bed = await vethBed();
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
      for (const [name, words] of Object.entries(BALANCERS)) {
        const running = startInside(bed.namespace, [...words, '-O', `dsr_if ${BALANCER_INTERFACE}`, ...WORDS]);
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
  bed.close();
  const columns = ['balancer', 'flows', 'Mpps', 'Mpps offered', "of Debian's pen"];
  console.log(`\n${tableText({ title: 'Packets of 60 bytes sent on by a program, over veth', columns, rows })}`);
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
