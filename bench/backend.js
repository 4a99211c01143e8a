/** The server behind every balancer: nginx with one worker. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { descriptorLimit } from './machine.js';
import { freePort, Program, scratch } from './program.js';
import { NGINX_STREAM } from './rivals/nginx.js';

export const BODY_BYTES = 1024 * 1024;

/**
 * @typedef {object} Backend
 * @property {number} port HTTP: `/` answers a few bytes, `/1m` a file of 1 MB
 * @property {number} closingPort a connection is closed as soon as it is accepted
 * @property {string[]} hosts loopback addresses on which it answers, more than one if asked for
 * @property {() => Promise<void>} end
 */

/**
 * Starts it on `hosts` addresses of the loopback network.
 * @param {number} core
 * @param {number} [hosts]
 * @returns {Promise<Backend>}
 */
export async function startBackend(core, hosts = 1) {
  const port = await freePort();
  const closingPort = await freePort();
  const addresses = Array.from({ length: hosts }, (_, i) => (i === 0 ? '127.0.0.1' : `127.1.${i >> 8}.${i & 255}`));
  const file = join(scratch, '1m');
  writeFileSync(file, Buffer.alloc(BODY_BYTES, 'pen '));
  const config = join(scratch, `backend-${port}.conf`);
  writeFileSync(
    config,
    `load_module ${NGINX_STREAM};
daemon off;
${process.getuid?.() === 0 ? 'user root;' : ''}
pid ${scratch}/backend-${port}.pid;
worker_processes 1;
events { worker_connections ${Math.max(512, descriptorLimit() - 2 * hosts - 64)}; }
http {
  access_log off;
  sendfile on;
  tcp_nopush on;
  open_file_cache max=16;
  keepalive_timeout 3600s;
  keepalive_requests 1000000000;
  server {
    ${addresses.map((address) => `listen ${address}:${port} backlog=4096;`).join(' ')}
    location / { return 200 "hello, world\\n"; }
    location = /1m { root ${scratch}; }
  }
}
stream {
  server { listen 127.0.0.1:${closingPort} backlog=4096; return ""; }
}
`,
  );
  const program = new Program('nginx', ['-p', scratch, '-e', 'stderr', '-c', config], { core });
  await program.listens(port);
  return { port, closingPort, hosts: addresses, end: () => program.end() };
}
