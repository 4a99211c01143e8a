/** hitch, one worker, as Debian ships it: TLS and nothing else. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { scratch } from '../program.js';
import { packageVersion } from './package-version.js';

/** @type {import('./rivals.js').Competitor} */
export const hitch = {
  id: 'hitch',
  label: 'hitch',
  kind: 'rival',
  version: packageVersion('hitch'),
  command(setup) {
    const config = join(scratch, `hitch-${setup.port}.conf`);
    writeFileSync(
      config,
      `frontend = "[127.0.0.1]:${setup.port}"
backend = "[${setup.servers[0].replace(':', ']:')}"
pem-file = "${setup.certificate}"
tls-protos = TLSv1.2 TLSv1.3
workers = 1
daemon = off
quiet = on
${process.getuid?.() === 0 ? 'user = "root"' : ''}
`,
    );
    return { file: 'hitch', args: [`--config=${config}`] };
  },
};
