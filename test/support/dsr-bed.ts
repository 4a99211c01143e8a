/** A bed for direct server return: a client, a balancer, servers that hold the VIP without telling anybody. */
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseMac } from '../../src/frame/ethernet.js';
import { readPcap, writePcap } from '../../src/frame/pcap.js';
import { type Bed, bed, type Host } from './bed.js';
import type { Scene } from './ending.js';
import { type PenScript, pen, type RunningPen } from './pen.js';
import { scratch } from './scratch.js';
import { until } from './wait.js';

export const VIP = '10.7.0.80';
export const VIP6 = 'fd07::80';
/** The balancer's own addresses. */
export const BALANCER = '10.7.0.2';
export const BALANCER6 = 'fd07::2';

export interface DsrBed extends Bed {
  readonly client: Host;
  readonly balancer: Host;
  readonly servers: readonly Host[];
  /** IPv4 address of server n. */
  addressOf(n: number): string;
  address6Of(n: number): string;
  /** Pen on the balancer; it is ready when it says so. */
  pen(script: Omit<PenScript, 'namespace'>): Promise<RunningPen>;
}

export interface DsrBedOptions {
  /** The balancer's link is held to that, both ways. */
  readonly rate?: string;
  /** `packet` leaves the cables their offloads: unfinished checksums, frames that are too long for any wire. */
  readonly mode?: TestedMode;
}

/** The ways that packets can go in these tests. */
export const TESTED_MODES = ['xdp', 'packet', 'packet x 2'] as const;
export type TestedMode = (typeof TESTED_MODES)[number];

/** The commands that choose a way. */
const COMMANDS: Readonly<Record<TestedMode, readonly string[]>> = {
  xdp: ['dsr_mode xdp'],
  packet: ['dsr_mode packet', 'threads 1'],
  'packet x 2': ['dsr_mode packet', 'threads 2'],
};

/** `servers` of them, named www1 and so on. */
export async function dsrBed(t: Scene, servers: number, { rate, mode }: DsrBedOptions = {}): Promise<DsrBed> {
  const names = Array.from({ length: servers }, (_, i) => `www${i + 1}`);
  const ownV4 = (i: number) => `10.7.0.${21 + i}`;
  const ownV6 = (i: number) => `fd07::${21 + i}`;
  const lan = (v4: string, v6: string) => ({ lan: [`${v4}/24`, `${v6}/64`] });
  const hosts = {
    client: { lan: ['10.7.0.10/24', '10.7.0.11/24', '10.7.0.12/24', '10.7.0.13/24', 'fd07::10/64'] },
    balancer: { [rate === undefined ? 'lan' : 'slow']: lan(BALANCER, BALANCER6).lan },
    ...Object.fromEntries(names.map((name, i) => [name, lan(ownV4(i), ownV6(i))])),
  };
  const xdp = !mode?.startsWith('packet') && (rate === undefined ? true : ['balancer']);
  const made = await bed(t, { hosts, xdp });
  if (rate !== undefined) await made.join('lan', 'slow', rate);
  const balancer = made.host('balancer');
  for (const name of names) await holdVip(made.host(name));
  return {
    ...made,
    client: made.host('client'),
    balancer,
    servers: names.map(made.host),
    addressOf: ownV4,
    address6Of: ownV6,
    pen: ({ options = [], ...script }) => {
      const words = mode === undefined ? [] : COMMANDS[mode].flatMap((command) => ['-O', command]);
      return pen(t, { ...script, options: [...words, ...options], namespace: balancer.namespace });
    },
  };
}

/** The VIP on the loopback interface, never spoken of by ARP; of IPv6, neighbour discovery asks the interface only. */
export async function holdVip(host: Host): Promise<void> {
  await host.sysctl('net.ipv4.conf.all.arp_ignore=1', 'net.ipv4.conf.all.arp_announce=2');
  await host.ip('address', 'add', `${VIP}/32`, 'dev', 'lo');
  await host.ip('address', 'add', `${VIP6}/128`, 'dev', 'lo', 'nodad');
}

/** nginx on every address of the host: its own name at `/`, and `big`, of so many bytes, below `/files/`. */
export async function site(t: Scene, host: Host, bytes = 0): Promise<void> {
  const folder = scratch(t);
  const configuration = join(folder, 'nginx.conf');
  mkdirSync(join(folder, 'files'));
  writeFileSync(join(folder, 'files', 'big'), Buffer.alloc(bytes, 'x'));
  writeFileSync(
    configuration,
    `user root; daemon off; pid ${folder}/pid; error_log ${folder}/error.log; worker_processes 1;
     events { worker_connections 4096; }
     http {
       access_log off; sendfile on;
       client_body_temp_path ${folder}/1; proxy_temp_path ${folder}/2; fastcgi_temp_path ${folder}/3;
       uwsgi_temp_path ${folder}/4; scgi_temp_path ${folder}/5;
       server {
         listen 80 backlog=4096; listen [::]:80 backlog=4096; listen 8080; listen [::]:8080;
         location = / { return 200 "${host.name}\\n"; }
         location /files/ { alias ${folder}/files/; }
       }
     }`,
  );
  host.start(t, 'nginx', ['-c', configuration, '-e', join(folder, 'error.log')]);
  await host.listens(80);
}

/** bind9 with one zone, in which `who.test` is a text that says who answers, and `long.test` needs several packets. */
export async function nameServer(t: Scene, host: Host): Promise<void> {
  const folder = scratch(t);
  const long = Array.from({ length: 12 }, (_, i) => `long TXT "${`${i}`.padEnd(240, 'x')}"`).join('\n');
  const zone = `$TTL 60\n@ SOA ns.test. root.test. 1 60 60 60 60\n@ NS ns.test.\nns A 10.7.0.80\nwho TXT "${host.name}"\n${long}\n`;
  writeFileSync(join(folder, 'zone'), zone);
  writeFileSync(
    join(folder, 'named.conf'),
    `options { directory "${folder}"; pid-file "${folder}/pid"; session-keyfile "${folder}/key"; recursion no;
       listen-on { any; }; listen-on-v6 { any; }; max-udp-size 4096; edns-udp-size 4096; dnssec-validation no; };
     controls { };
     zone "test" { type primary; file "${folder}/zone"; };`,
  );
  host.start(t, 'named', ['-g', '-u', 'root', '-c', join(folder, 'named.conf')]);
  await host.listens(53);
}

/** Bodies of `n` requests from the client, one connection each. */
export async function ask(client: Host, url: string, n: number, ...options: string[]): Promise<string[]> {
  const urls = Array.from({ length: n }, () => url);
  const said = await client.run('curl', [
    '-s',
    '--no-keepalive',
    '-m',
    '5',
    '-H',
    'Connection: close',
    ...options,
    ...urls,
  ]);
  return said.trim().split('\n');
}

/** Sends frames from a host, as they are. */
export async function sendFrames(host: Host, frames: readonly Uint8Array[]): Promise<void> {
  const file = writePcap(frames.map((frame) => ({ seconds: 0, frame })));
  const program = fileURLToPath(new URL('send-frames.js', import.meta.url));
  const folder = mkdtempSync(join(tmpdir(), 'pen-'));
  try {
    writeFileSync(join(folder, 'frames.pcap'), file);
    await host.run('sh', ['-c', `exec "$0" "$1" lan <"$2"`, process.execPath, program, join(folder, 'frames.pcap')]);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** What a host receives from now on, of what the filter (pcap-filter(7)) lets through; `frames` reads so far. */
export async function capture(t: Scene, host: Host, filter: string): Promise<{ frames(): Uint8Array[] }> {
  const file = join(scratch(t), 'capture.pcap');
  const words = ['-i', 'lan', '-Q', 'in', '--immediate-mode', '-U', '-w', file, ...filter.split(' ')];
  const running = host.start(t, 'tcpdump', ['-Z', 'root', ...words]);
  await until(`tcpdump listens: ${running.said()}`, () => running.said().includes('listening on'));
  return { frames: () => readPcap(readFileSync(file)).map(({ frame }) => frame) };
}

/** The MAC address of a host's interface. */
export async function macOf(host: Host): Promise<Uint8Array> {
  const [link] = JSON.parse(await host.ip('-j', 'link', 'show', 'lan'));
  return parseMac(link.address) ?? new Uint8Array(6);
}
