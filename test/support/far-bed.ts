/**
 * A bed for direct server return to servers that are not on the link: two routers are between, and the path between
 * those carries packets of 1,400 bytes at most. No route but the routers' leads from one end to the other.
 *
 *   client ───┐
 *   balancer ─┼─ lan ─ near ── mid, 1,400 bytes ── far ─ dmz ─┬─ www1
 *             ┘                                               └─ www2   (VIP on lo, pen-decap)
 */
import { fileURLToPath } from 'node:url';
import { type Bed, bed, type Host, type Running } from './bed.js';
import { holdVip } from './dsr-bed.js';
import type { Scene } from './ending.js';
import { type PenScript, pen, type RunningPen } from './pen.js';
import { until } from './wait.js';

export const PATH_MTU = 1400;
const DECAP = fileURLToPath(new URL('../../../bin/pen-decap', import.meta.url));
const SITE = fileURLToPath(new URL('far-site.js', import.meta.url));

export interface FarBed extends Bed {
  readonly client: Host;
  readonly balancer: Host;
  readonly servers: readonly Host[];
  /** Of server n. */
  addressOf(n: number, family: 4 | 6): string;
  pen(script: Omit<PenScript, 'namespace'>): Promise<RunningPen>;
  /** pen-decap on server n, which says on what when it runs. */
  decap(n: number, ...options: string[]): Promise<Running>;
}

export async function farBed(t: Scene, servers: number): Promise<FarBed> {
  const names = Array.from({ length: servers }, (_, i) => `www${i + 1}`);
  const addressOf = (n: number, family: 4 | 6) => (family === 4 ? `10.8.0.${21 + n}` : `fd08::${21 + n}`);
  const hosts = {
    client: { lan: ['10.7.0.10/24', 'fd07::10/64'] },
    balancer: { lan: ['10.7.0.2/24', 'fd07::2/64'] },
    near: { lan: ['10.7.0.1/24', 'fd07::1/64'], mid: ['10.9.0.1/24', 'fd09::1/64'] },
    far: { mid: ['10.9.0.2/24', 'fd09::2/64'], dmz: ['10.8.0.1/24', 'fd08::1/64'] },
    ...Object.fromEntries(names.map((name, n) => [name, { dmz: [`${addressOf(n, 4)}/24`, `${addressOf(n, 6)}/64`] }])),
  };
  const made = await bed(t, { hosts, xdp: true });
  const { host } = made;
  const route = async (name: string, v4: string, v6: string, to4 = 'default', to6 = 'default') => {
    await host(name).ip('route', 'add', to4, 'via', v4);
    await host(name).ip('-6', 'route', 'add', to6, 'via', v6);
  };
  for (const name of ['near', 'far']) {
    await host(name).sysctl(
      'net.ipv4.ip_forward=1',
      'net.ipv6.conf.all.forwarding=1',
      'net.ipv4.conf.all.send_redirects=0',
      'net.ipv4.conf.all.rp_filter=0',
      ...Object.keys(hosts[name as 'near']).map((one) => `net.ipv4.conf.${one}.rp_filter=0`),
    );
    await host(name).ip('link', 'set', 'mid', 'mtu', `${PATH_MTU}`);
  }
  for (const name of ['client', 'balancer']) await route(name, '10.7.0.1', 'fd07::1');
  await route('near', '10.9.0.2', 'fd09::2', '10.8.0.0/24', 'fd08::/64');
  await route('far', '10.9.0.1', 'fd09::1');
  for (const name of names) {
    await route(name, '10.8.0.1', 'fd08::1');
    await holdVip(host(name));
  }
  const balancer = host('balancer');
  return {
    ...made,
    client: host('client'),
    balancer,
    servers: names.map(host),
    addressOf,
    pen: (script) => pen(t, { ...script, namespace: balancer.namespace }),
    async decap(n, ...options) {
      const running = host(names[n]).start(t, process.execPath, [DECAP, 'dmz', ...options]);
      await until(`pen-decap on ${names[n]}: ${running.said()}`, () => {
        if (running.child.exitCode !== null) throw new Error(`pen-decap ended: ${running.said()}`);
        return running.said().includes('decapsulating');
      });
      return running;
    },
  };
}

/** On every address of the host: `GET /` says its name, `GET /N` N bytes, `PUT /` how many bytes came and their SHA-256. */
export async function farSite(t: Scene, host: Host): Promise<void> {
  host.start(t, process.execPath, [SITE, host.name]);
  await host.listens(80);
}
