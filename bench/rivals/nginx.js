/** nginx's stream module, one worker, as Debian ships it. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { scratch } from '../program.js';
import { packageVersion } from './package-version.js';

export const NGINX_STREAM = '/usr/lib/nginx/modules/ngx_stream_module.so';

/**
 * @param {string} id
 * @param {string} label
 * @param {string} extra directives for `stream`
 * @returns {import('./rivals.js').Competitor}
 */
function nginxWith(id, label, extra) {
  return {
    id,
    label,
    kind: extra === '' ? 'rival' : 'context',
    version: packageVersion('libnginx-mod-stream') && packageVersion('nginx'),
    command(setup) {
      const config = join(scratch, `nginx-${setup.port}.conf`);
      writeFileSync(
        config,
        `load_module ${NGINX_STREAM};
daemon off;
${process.getuid?.() === 0 ? 'user root;' : ''}
pid ${scratch}/nginx-${setup.port}.pid;
worker_processes 1;
events { worker_connections ${2 * setup.connections + 16}; }
stream {
  ${extra}
  proxy_timeout ${setup.udp ? '30s' : '1h'};
  upstream bench { ${setup.servers.map((server) => `server ${server};`).join(' ')} }
  ${setup.certificate ? `ssl_certificate ${setup.certificate}; ssl_certificate_key ${setup.certificate}; ssl_protocols TLSv1.2 TLSv1.3;` : ''}
  server { listen 127.0.0.1:${setup.port}${setup.udp ? ' udp' : ''}${setup.certificate ? ' ssl' : ''}; proxy_pass bench; }
}
`,
      );
      return { file: 'nginx', args: ['-p', scratch, '-e', 'stderr', '-c', config] };
    },
  };
}

export const nginx = nginxWith('nginx', 'nginx stream', '');

/** For large bodies: buffers as large as ours. */
export const nginxLargeBuffer = nginxWith('nginx-256k', 'nginx, 256 kB buffers', 'proxy_buffer_size 256k;');
