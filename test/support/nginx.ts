/** nginx as a server of a scenario: one page that says who it is, and a folder of files. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Scene } from './ending.js';
import { type Daemon, daemon, freePort } from './program.js';
import { scratch } from './scratch.js';

export interface Site extends Daemon {
  readonly name: string;
  readonly port: number;
  readonly address: string;
  /** Its document root. */
  readonly folder: string;
}

/** A site that answers `NAME\n` at `/` and serves its folder below `/files/`; it logs if it is told to which file. */
export async function nginx(
  t: Scene,
  name: string,
  { port: onPort, accessLog = 'off' }: { readonly port?: number; readonly accessLog?: string } = {},
): Promise<Site> {
  const folder = scratch(t);
  const port = onPort ?? (await freePort());
  const configuration = join(folder, 'nginx.conf');
  writeFileSync(
    configuration,
    `${process.getuid?.() === 0 ? 'user root;' : ''} daemon off; pid ${folder}/pid; error_log ${folder}/error.log; worker_processes 1;
     events { worker_connections 4096; }
     http {
       access_log ${accessLog}; keepalive_requests 1000000;
       client_body_temp_path ${folder}/1; proxy_temp_path ${folder}/2; fastcgi_temp_path ${folder}/3;
       uwsgi_temp_path ${folder}/4; scgi_temp_path ${folder}/5;
       server {
         listen 127.0.0.1:${port} backlog=4096;
         location = / { return 200 "${name}\\n"; }
         location /files/ { alias ${folder}/; }
       }
     }`,
  );
  const running = await daemon(t, 'nginx', ['-c', configuration, '-e', join(folder, 'error.log')], { port });
  return { ...running, name, port, address: `127.0.0.1:${port}`, folder };
}
