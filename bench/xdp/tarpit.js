/**
 * What a scanner costs that meets a tarpit (`tarpit_acl`, XDP): the program's own time, by the kernel's statistics of
 * programs, and the process's, at 10,000 SYNs a second; and how many a second a core answers, all that the kernel does
 * for them at both ends included.
 */
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { spread } from '../statistics.js';
import { tableText } from '../table.js';
import { PEN, startInside } from './balancer.js';
import { OFFSETS } from './programs.js';
import { scannerSyn, VIPS } from './scene.js';
import { BALANCER_INTERFACE, CLIENT_ADDRESS, vethBed } from './veth.js';

const PER_SECOND = 10_000;
const SECONDS = 5;
const ROUNDS = 5;
const FLOOD = 1_000_000;
/** 1 while the kernel keeps time for programs (kernel 5.1). */
const STATISTICS = '/proc/sys/kernel/bpf_stats_enabled';

export async function tarpitCost() {
  const bed = await vethBed();
  bed.balancer.close();
  const before = readFileSync(STATISTICS, 'latin1');
  const restore = () => writeFileSync(STATISTICS, before);
  process.on('exit', restore);
  const pen = startInside(bed.namespace, [
    ...[...PEN, '-f', '-U'],
    ...[
      'acl 3 permit 10.9.0.128 255.255.255.128',
      'tarpit_acl 3',
      'dsr_mode xdp',
      `dsr_if ${BALANCER_INTERFACE}`,
    ].flatMap((line) => ['-O', line]),
    `${VIPS.ipv4}:53`,
    `${CLIENT_ADDRESS}:53`,
  ]);
  const frame = scannerSyn();
  const generator = bed.generator({ at: OFFSETS.ipv4.port, mask: -1, width: 2 }, frame);
  // The VIP has no such port: they are dropped, at the same pace.
  const refused = scannerSyn(VIPS.ipv4);
  const toNobody = bed.generator({ at: OFFSETS.ipv4.port, mask: -1, width: 2 }, refused);
  /** @type {Record<'program' | 'process' | 'rate' | 'refused', number[]>} */
  const figures = { program: [], process: [], rate: [], refused: [] };
  try {
    await pen.answers(() => bed.flood(generator, frame, 200));
    for (let round = 0; round < ROUNDS; round++) {
      const quiet = processSeconds(pen.pid);
      await bed.pace(toNobody, refused, { perSecond: PER_SECOND, seconds: SECONDS });
      figures.refused.push((100 * (processSeconds(pen.pid) - quiet)) / SECONDS);
      writeFileSync(STATISTICS, '1');
      const start = { program: programSeconds(pen.pid), process: processSeconds(pen.pid) };
      const { sent, back } = await bed.pace(generator, frame, { perSecond: PER_SECOND, seconds: SECONDS });
      if (back < sent) throw new Error(`${back} of ${sent} SYNs were answered`);
      figures.program.push((100 * (programSeconds(pen.pid) - start.program)) / SECONDS);
      figures.process.push((100 * (processSeconds(pen.pid) - start.process)) / SECONDS);
      restore();
      figures.rate.push((await bed.flood(generator, frame, FLOOD)).rate / 1e6);
    }
  } finally {
    await pen.stop();
    restore();
    bed.close();
  }
  const figure = (/** @type {number[]} */ values) => {
    const { median, min, max } = spread(values);
    return `${median.toFixed(2)} (${min.toFixed(2)}-${max.toFixed(2)})`;
  };
  const rows = [
    ['XDP program, % of a core', figure(figures.program)],
    ['the process, % of a core', figure(figures.process)],
    ['the process when they are dropped, % of a core', figure(figures.refused)],
    ['answered at most, Mpps', figure(figures.rate)],
  ];
  console.log(
    `\n${tableText({ title: 'A tarpit at 10,000 SYNs a second, every one answered', columns: ['', ''], rows })}`,
  );
}

/** Run time of the XDP programs that a process holds (/proc/PID/fdinfo). */
function programSeconds(/** @type {number} */ pid) {
  let nanoseconds = 0;
  for (const fd of readdirSync(`/proc/${pid}/fdinfo`)) {
    const info = readFileSync(`/proc/${pid}/fdinfo/${fd}`, 'latin1');
    if (/^prog_type:\s*6$/m.test(info)) nanoseconds += Number(/^run_time_ns:\s*(\d+)/m.exec(info)?.[1] ?? 0);
  }
  return nanoseconds / 1e9;
}

/** Time on a processor, all threads (/proc/PID/task/TID/schedstat). */
function processSeconds(/** @type {number} */ pid) {
  const threads = readdirSync(`/proc/${pid}/task`);
  const times = threads.map((thread) => readFileSync(`/proc/${pid}/task/${thread}/schedstat`, 'latin1').split(' ')[0]);
  return times.reduce((sum, time) => sum + Number(time), 0) / 1e9;
}
