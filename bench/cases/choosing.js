import { fileURLToPath } from 'node:url';
import { Program } from '../program.js';
import { figure } from '../report.js';

const TIMING = fileURLToPath(new URL('../load/choosing.js', import.meta.url));

/** @type {import('./cases.js').Case} */
export const choosing = {
  name: 'choosing',
  async run({ cores }) {
    const program = new Program(process.execPath, [TIMING], { core: cores.balancer });
    /** @type {{ choose: Record<string, Record<string, number>>, visit: Record<string, Record<string, number>> }} */
    const { choose, visit } = JSON.parse(await program.finished());
    const table = (/** @type {string} */ title, /** @type {Record<string, Record<string, number>>} */ data) => ({
      title,
      columns: [
        'nanoseconds',
        ...Object.keys(Object.values(data)[0]).map((size) => Number(size).toLocaleString('en-US')),
      ],
      rows: Object.entries(data).map(([name, times]) => [name, ...Object.values(times).map(figure)]),
    });
    return {
      name: this.name,
      title: 'Choosing a server, without the network',
      question: 'What of a new connection is the choice? `core` alone, in a loop: the median of nine runs.',
      notes: [],
      tables: [
        table('Choosing and giving back a place, by number of servers', choose),
        table('Looking up a client, by clients known', visit),
      ],
      charts: [],
      targets: [],
      samples: { choose, visit },
    };
  },
};
