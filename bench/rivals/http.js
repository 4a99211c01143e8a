/** The same balancers where they read requests: what says X-Forwarded-For, with connections to servers that stay. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { scratch } from '../program.js';
import { packageVersion } from './package-version.js';

/** @typedef {import('./rivals.js').Competitor} Competitor */

/** @type {Competitor} */
export const haproxyHttp = {
  id: 'haproxy-http',
  label: 'HAProxy, mode http',
  kind: 'rival',
  protocols: 'tcp',
  version: packageVersion('haproxy'),
  command(setup) {
    const config = join(scratch, `haproxy-http-${setup.port}.cfg`);
    writeFileSync(
      config,
      `global
  nbthread 1
  maxconn ${setup.connections}
defaults
  mode http
  option forwardfor
  timeout connect 3s
  timeout client 1h
  timeout server 1h
  timeout http-request 10s
listen bench
  bind 127.0.0.1:${setup.port}
  balance roundrobin
${setup.servers.map((server, i) => `  server s${i} ${server}`).join('\n')}
`,
    );
    return { file: 'haproxy', args: ['-db', '-q', '-f', config] };
  },
};

/** @type {Competitor} */
export const nginxHttp = {
  id: 'nginx-http',
  label: 'nginx proxy_pass',
  kind: 'rival',
  protocols: 'tcp',
  version: packageVersion('nginx'),
  command(setup) {
    const config = join(scratch, `nginx-http-${setup.port}.conf`);
    writeFileSync(
      config,
      `daemon off;
${process.getuid?.() === 0 ? 'user root;' : ''}
pid ${scratch}/nginx-http-${setup.port}.pid;
worker_processes 1;
events { worker_connections ${2 * setup.connections + 16}; }
http {
  access_log off;
  keepalive_timeout 1h;
  keepalive_requests 1000000000;
  upstream bench { ${setup.servers.map((server) => `server ${server};`).join(' ')} keepalive ${setup.connections}; keepalive_requests 1000000000; }
  server {
    listen 127.0.0.1:${setup.port} backlog=4096;
    location / {
      proxy_pass http://bench;
      proxy_http_version 1.1;
      proxy_set_header Connection "";
      proxy_set_header X-Forwarded-For $remote_addr;
      proxy_set_header X-Forwarded-Proto $scheme;
    }
  }
}
`,
    );
    return { file: 'nginx', args: ['-p', scratch, '-e', 'stderr', '-c', config] };
  },
};

/**
 * One of ours with more options.
 * @param {Competitor} ours
 * @param {string} name
 * @param {readonly string[]} options
 * @returns {Competitor}
 */
export function withOptions(ours, name, options) {
  const { command } = ours;
  return {
    ...ours,
    id: `${ours.id}-${name}`,
    label: `${ours.label}, ${options.join(' ')}`,
    command:
      command &&
      ((setup) => {
        const { file, args } = command(setup);
        // Before the operands: where to listen, and the servers.
        const at = args.length - 1 - setup.servers.length;
        return { file, args: [...args.slice(0, at), ...options, ...args.slice(at)] };
      }),
  };
}
