/**
 * The network of the transparent scenarios. Clients and servers have no way to each other but through the balancer:
 *
 *   client ─┐                                   ┌─ www1
 *           ├─ lan ── pen (forwards) ── dmz ────┤
 *   other ──┘                                   └─ www2
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type Bed, bed, type Host } from '../support/bed.js';
import type { Scene } from '../support/ending.js';
import { scratch } from '../support/scratch.js';
import { until } from '../support/wait.js';

export const CLIENT = { 4: '10.71.0.10', 6: 'fd71::10' } as const;
export const OTHER = { 4: '10.71.0.11', 6: 'fd71::11' } as const;
/** The balancer, as clients and as servers see it. */
export const FRONT = { 4: '10.71.0.1', 6: 'fd71::1' } as const;
export const BACK = { 4: '10.72.0.1', 6: 'fd72::1' } as const;
export const WWW1 = { 4: '10.72.0.21', 6: 'fd72::21' } as const;
export const WWW2 = { 4: '10.72.0.22', 6: 'fd72::22' } as const;

export interface Network {
  readonly bed: Bed;
  readonly client: Host;
  readonly other: Host;
  readonly balancer: Host;
  readonly www1: Host;
  readonly www2: Host;
}

export async function network(t: Scene): Promise<Network> {
  const at = (pair: { 4: string; 6: string }) => [`${pair[4]}/24`, `${pair[6]}/64`];
  const built = await bed(t, {
    hosts: {
      client: { lan: at(CLIENT) },
      other: { lan: at(OTHER) },
      pen: { lan: at(FRONT), dmz: at(BACK) },
      www1: { dmz: at(WWW1) },
      www2: { dmz: at(WWW2) },
    },
  });
  const { host } = built;
  for (const [name, gateway] of [
    ['client', FRONT],
    ['other', FRONT],
    ['www1', BACK],
    ['www2', BACK],
  ] as const) {
    await host(name).ip('-4', 'route', 'add', 'default', 'via', gateway[4]);
    await host(name).ip('-6', 'route', 'add', 'default', 'via', gateway[6]);
  }
  await host('pen').sysctl('net.ipv4.ip_forward=1', 'net.ipv6.conf.all.forwarding=1');
  return {
    bed: built,
    client: host('client'),
    other: host('other'),
    balancer: host('pen'),
    www1: host('www1'),
    www2: host('www2'),
  };
}

/** One request as the server saw it. */
export interface Seen {
  readonly address: string;
  readonly port: number;
  readonly path: string;
}

/** nginx on port 80, both families, which remembers who asked for what. */
export async function site(t: Scene, host: Host): Promise<{ seen(): Seen[] }> {
  const folder = scratch(t);
  const log = join(folder, 'seen.log');
  const configuration = join(folder, 'nginx.conf');
  writeFileSync(
    configuration,
    `user root; daemon off; pid ${folder}/pid; error_log ${folder}/error.log; worker_processes 1;
     events { worker_connections 4096; }
     http {
       log_format seen '$remote_addr $remote_port $request_uri'; access_log ${log} seen;
       client_body_temp_path ${folder}/1; proxy_temp_path ${folder}/2; fastcgi_temp_path ${folder}/3;
       uwsgi_temp_path ${folder}/4; scgi_temp_path ${folder}/5;
       server {
         listen 80 backlog=4096; listen [::]:80 backlog=4096;
         location / { return 200 "${host.name}\\n"; }
       }
     }`,
  );
  host.start(t, 'nginx', ['-c', configuration, '-e', join(folder, 'error.log')]);
  await host.listens(80);
  return { seen: () => readSeen(log) };
}

function readSeen(log: string): Seen[] {
  return readFileSync(log, 'utf8')
    .split('\n')
    .filter(Boolean)
    .map((line) => {
      const [address = '', port, path = ''] = line.split(' ');
      return { address, port: Number(port), path };
    });
}

/** What asking `url` gives; fails if there is no answer. */
export async function fetchFrom(host: Host, url: string, ...options: string[]): Promise<string> {
  return (await host.run('curl', ['-sS', '-g', '-m', '8', ...options, url])).trim();
}

/** The last request that the site has seen on that path. */
export function lastSeen(website: { seen(): Seen[] }, path: string): Promise<Seen> {
  return until(`a request for ${path}`, () => website.seen().findLast((one) => one.path === path));
}
