/** How many packets a second the XDP program sends on over a veth pair, beside a program that only swaps MAC addresses. */
import { median, ratios } from '../statistics.js';
import { tableText } from '../table.js';
import { program as dsr } from './product.js';
import { OFFSETS, swapMacs } from './programs.js';
import { clientQuestion, OPTIONS, scene } from './scene.js';
import { vethBed } from './veth.js';

const { dsrProgram } = dsr;

const ROUNDS = 7;
const FRAMES = 2_000_000;

export async function kernelRates() {
  const bed = await vethBed();
  const tables = scene(100);
  const generators = {
    'one flow': bed.generator({ at: OFFSETS.ipv4.port, mask: 0, width: 2 }),
    '1,024 flows': bed.generator({ at: OFFSETS.ipv4.port, mask: 0x3ff, width: 2 }),
  };
  const programs = {
    'swaps MAC addresses': bed.load(swapMacs()),
    'DSR, knows its VIPs': bed.load(dsrProgram(OPTIONS, tables.everyVip()).code, tables.maps),
    'DSR, looks them up': bed.load(dsrProgram(OPTIONS).code, tables.maps),
  };
  const frame = clientQuestion('ipv4');
  /** @type {string[][]} */
  const rows = [];
  for (const [flows, generator] of Object.entries(generators)) {
    /** @type {Record<string, number[]>} */
    const rates = {};
    let lost = 0;
    for (let round = 0; round < ROUNDS; round++) {
      for (const [name, program] of Object.entries(programs)) {
        bed.balancer.update(program);
        const result = await bed.flood(generator, frame, FRAMES);
        rates[name] = [...(rates[name] ?? []), result.rate];
        lost += result.lost;
      }
    }
    const [swap] = Object.values(rates);
    for (const [name, values] of Object.entries(rates))
      rows.push([name, flows, (median(values) / 1e6).toFixed(2), ratios(values, swap).median.toFixed(2), `${lost}`]);
  }
  bed.close();
  tables.close();
  const columns = ['balancer', 'flows', 'Mpps', 'of swapping', 'lost of all'];
  console.log(`\n${tableText({ title: 'Packets of 60 bytes sent on, live frames over veth', columns, rows })}`);
}
