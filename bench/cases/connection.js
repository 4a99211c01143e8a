import { contest } from '../contest.js';
import { contestSection } from '../contest-section.js';

/** @type {import('./cases.js').Case} */
export const connection = {
  name: 'connection',
  async run(bench) {
    const results = await contest(bench, { competitors: bench.competitors, connections: 64, perConnection: true });
    const text = {
      name: this.name,
      of: 'connection',
      title: 'A connection per request',
      question:
        'What does a whole connection cost: accept, choose, connect, relay, close? 64 at a time, `Connection: close`.',
    };
    return contestSection(text, results, [
      { of: 'ours', to: 'pen', field: 'cpuUs', limit: 1 },
      { of: 'ours', to: 'haproxy', field: 'cpuUs', limit: 1 },
      { of: 'ours', to: 'nginx', field: 'cpuUs', limit: 1.05 },
      { of: 'epoll', to: 'pen', field: 'cpuUs', limit: 1.15 },
    ]);
  },
};
