/** PowerDNS's dnsdist, which balances DNS only: one thread that receives, and one that passes answers back. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { scratch } from '../program.js';
import { packageVersion } from './package-version.js';

/** @type {import('./rivals.js').Competitor} */
export const dnsdist = {
  id: 'dnsdist',
  label: 'dnsdist',
  kind: 'rival',
  protocols: 'udp',
  version: packageVersion('dnsdist'),
  command(setup) {
    const config = join(scratch, `dnsdist-${setup.port}.conf`);
    writeFileSync(
      config,
      `setLocal("127.0.0.1:${setup.port}")
setACL("127.0.0.0/8")
setSecurityPollSuffix("")
setServerPolicy(roundrobin)
${setup.servers.map((server) => `newServer({address="${server}", sockets=1}):setUp()`).join('\n')}
`,
    );
    return { file: 'dnsdist', args: ['--supervised', '--disable-syslog', '-C', config] };
  },
};
