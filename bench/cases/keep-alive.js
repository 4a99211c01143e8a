import { contest } from '../contest.js';
import { contestSection } from '../contest-section.js';

/** @type {import('./cases.js').Case} */
export const keepAlive = {
  name: 'keep-alive',
  async run(bench) {
    const results = await contest(bench, { competitors: bench.competitors, connections: 64 });
    const text = {
      name: this.name,
      of: 'small request',
      title: 'Small requests, kept-alive connections',
      question: 'What does it cost to pass on a request and its answer? 64 connections, 13 bytes of body.',
    };
    return contestSection(text, results, [
      { of: 'ours', to: 'best', field: 'cpuUs', limit: 1 },
      { of: 'ours', to: 'best', field: 'perSecond', limit: 1 },
      { of: 'epoll', to: 'pen', field: 'cpuUs', limit: 1.15 },
    ]);
  },
};
