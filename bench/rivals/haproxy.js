/** HAProxy in TCP mode, one thread, as Debian ships it. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { scratch } from '../program.js';
import { packageVersion } from './package-version.js';

/**
 * @param {string} id
 * @param {string} label
 * @param {string} extra lines for `defaults`
 * @returns {import('./rivals.js').Competitor}
 */
function haproxyWith(id, label, extra) {
  return {
    id,
    label,
    kind: extra === '' ? 'rival' : 'context',
    protocols: 'tcp',
    version: packageVersion('haproxy'),
    command(setup) {
      const config = join(scratch, `haproxy-${setup.port}.cfg`);
      writeFileSync(
        config,
        `global
  nbthread 1
  maxconn ${setup.connections}
defaults
  mode tcp
  timeout connect 3s
  timeout client 1h
  timeout server 1h
${extra}
listen bench
  bind 127.0.0.1:${setup.port}${setup.certificate ? ` ssl crt ${setup.certificate}` : ''}
  balance roundrobin
${setup.servers.map((server, i) => `  server s${i} ${server}`).join('\n')}
`,
      );
      return { file: 'haproxy', args: ['-db', '-q', '-f', config] };
    },
  };
}

export const haproxy = haproxyWith('haproxy', 'HAProxy', '');

/** For large bodies: bytes stay in the kernel where that pays. */
export const haproxySplice = haproxyWith('haproxy-splice', 'HAProxy, splice-auto', '  option splice-auto');
