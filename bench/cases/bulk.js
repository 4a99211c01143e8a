import { contest } from '../contest.js';
import { contestSection } from '../contest-section.js';
import { forBulk } from '../rivals/rivals.js';

/** @type {import('./cases.js').Case} */
export const bulk = {
  name: 'bulk',
  async run(bench) {
    const tuned = forBulk.filter(({ id }) => bench.competitors.some((competitor) => id.startsWith(competitor.id)));
    const competitors = [...bench.competitors, ...tuned];
    const results = await contest(bench, { competitors, connections: 16, path: '/1m' });
    const text = {
      name: this.name,
      title: 'Large bodies',
      question: 'What does it cost to move a megabyte? 16 connections, bodies of 1 MiB (a request is a MB here).',
      unit: 'MB',
      notes:
        tuned.length > 0
          ? ['The yardstick is the rivals as installed; what they do when set up for large bodies stands beside them.']
          : [],
    };
    return contestSection(text, results, [
      { of: 'ours', to: 'best', field: 'cpuUs', limit: 0.6 },
      { of: 'ours', to: 'best', field: 'perSecond', limit: 1.5 },
    ]);
  },
};
