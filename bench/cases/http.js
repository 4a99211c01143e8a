import { contest } from '../contest.js';
import { contestSection } from '../contest-section.js';
import { haproxyHttp, nginxHttp, withOptions } from '../rivals/http.js';

const LOADS = /** @type {const} */ ([
  { title: 'kept-alive connections', perConnection: false },
  { title: 'a connection for each', perConnection: true },
]);
/** Times the same pen that reads nothing. */
const LIMIT = 1.25;

/** @type {import('./cases.js').Case} */
export const http = {
  name: 'http',
  async run(bench) {
    const ours = bench.competitors.filter(({ kind }) => kind === 'ours' || kind === 'before');
    const wanted = (/** @type {string} */ id) => bench.competitors.some((competitor) => competitor.id === id);
    const rivals = [...(wanted('haproxy') ? [haproxyHttp] : []), ...(wanted('nginx') ? [nginxHttp] : [])];
    const reading = ours.map((competitor) => withOptions(competitor, 'http', ['-H']));
    // The first of ours is what claims are about.
    const plain = ours.map((competitor) => ({ ...competitor, kind: /** @type {const} */ ('context') }));
    const competitors = [...reading, ...plain, ...rivals];
    const sections = [];
    for (const { title, perConnection } of LOADS) {
      bench.say(` ${title}`);
      const results = await contest(bench, { competitors, connections: 64, perConnection });
      const text = { name: this.name, title: `HTTP heads, ${title}`, question: '' };
      const offs = reading.map(
        ({ id }, i) => /** @type {const} */ ({ of: id, to: plain[i].id, field: 'cpuUs', limit: LIMIT }),
      );
      sections.push(contestSection(text, results, [{ of: 'ours', to: 'best', field: 'cpuUs', limit: 1 }, ...offs]));
    }
    return {
      name: this.name,
      title: 'HTTP heads',
      question:
        'What does it cost to read every request and say who its client is (`-H`)? Small requests, 64 at a time: over connections that stay (first table), and a connection for each. HAProxy and nginx read requests too, as their HTTP modes do.',
      notes: sections.flatMap(({ notes }) => notes),
      tables: sections.flatMap(({ tables }) => tables),
      charts: sections.flatMap(({ charts }) => charts),
      targets: sections.flatMap(({ targets }) => targets),
      samples: sections.map(({ samples }, i) => ({ load: LOADS[i].title, samples })),
    };
  },
};
