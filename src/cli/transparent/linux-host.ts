/** A Linux host as `pen transparent-setup` finds it. */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { StartError } from '../errors.js';
import {
  type Diversion,
  type MarkRule,
  parseIptables,
  parseNft,
  parseReversePathDrops,
  parseRoutes,
  parseRules,
  type Route,
} from './facts.js';
import { FAMILIES, type Family, OWNER } from './setup.js';
import type { Run } from './tools.js';

const SYSCTLS = '/proc/sys/net';

export interface LinuxFacts {
  readonly families: readonly Family[];
  readonly rules: readonly MarkRule[];
  /** Of the tables that rules with a mark lead to, and of those that were asked for. */
  readonly routes: readonly Route[];
  /** undefined: this process may not see the firewall's rules. */
  readonly diversion: ReadonlyMap<Family, Diversion> | undefined;
  readonly forwards: ReadonlyMap<Family, boolean>;
  /** Interfaces whose reverse path filter looks at marks. */
  readonly markedReversePaths: readonly string[];
  /** Interfaces with a strict reverse path filter. */
  readonly strictReversePaths: readonly string[];
}

/** Looks at everything that matters. Throws a StartError without iproute2. */
export async function readLinuxHost(run: Run, tables: readonly number[]): Promise<LinuxFacts> {
  const families = linuxFamilies();
  const [rules, diversion] = await Promise.all([readRules(run, families), readDiversion(run, families)]);
  const interfaces = readdirSync(`${SYSCTLS}/ipv4/conf`).filter((name) => !['all', 'default', 'lo'].includes(name));
  // The kernel takes the larger of the two (IN_DEV_MAXCONF), and either of the two (IN_DEV_ORCONF).
  const largest = (name: string, device: string) =>
    Math.max(...['all', device].map((of) => sysctl(`ipv4/conf/${of}/${name}`)));
  return {
    families,
    rules,
    routes: await readRoutes(run, families, [...tables, ...rules.map(({ table }) => table)]),
    diversion,
    forwards: new Map(
      families.map((family) => [family, sysctl(family === 4 ? 'ipv4/ip_forward' : 'ipv6/conf/all/forwarding') !== 0]),
    ),
    markedReversePaths: interfaces.filter((device) => largest('src_valid_mark', device) !== 0),
    strictReversePaths: interfaces.filter((device) => largest('rp_filter', device) === 1),
  };
}

/** Those that the kernel has. */
export function linuxFamilies(): readonly Family[] {
  return FAMILIES.filter((family) => family === 4 || existsSync(`${SYSCTLS}/ipv6`));
}

export function reversePathDrops(): number {
  return parseReversePathDrops(readFileSync('/proc/net/netstat', 'utf8'));
}

export async function readRules(run: Run, families: readonly Family[]): Promise<MarkRule[]> {
  const found = await Promise.all(
    families.map(async (family) => {
      const { status, stdout, complaint } = await run('ip', ['-N', '-j', `-${family}`, 'rule']);
      if (status !== 0) throw new StartError(`cannot list routing rules: ${complaint} (it takes ip of iproute2)`);
      return parseRules(stdout, family);
    }),
  );
  return found.flat();
}

export async function readRoutes(run: Run, families: readonly Family[], tables: readonly number[]): Promise<Route[]> {
  const pairs = families.flatMap((family) => [...new Set(tables)].map((table) => [family, table] as const));
  const found = await Promise.all(
    pairs.map(async ([family, table]) => {
      // A table without a route is none, which is an error.
      const { stdout } = await run('ip', ['-N', '-j', `-${family}`, 'route', 'show', 'table', String(table)]);
      return parseRoutes(stdout, family, table);
    }),
  );
  return found.flat();
}

/** Those that we have made, in whatever table. */
export async function readOwnRoutes(run: Run, families: readonly Family[]): Promise<Route[]> {
  const found = await Promise.all(
    families.map(async (family) => {
      const words = ['-N', '-j', `-${family}`, 'route', 'show', 'table', 'all', 'protocol', String(OWNER)];
      return parseRoutes((await run('ip', words)).stdout, family);
    }),
  );
  return found.flat();
}

async function readDiversion(
  run: Run,
  families: readonly Family[],
): Promise<ReadonlyMap<Family, Diversion> | undefined> {
  const [nft, ...saved] = await Promise.all([
    run('nft', ['-j', 'list', 'ruleset']),
    ...families.map((family) => run(family === 4 ? 'iptables-save' : 'ip6tables-save', ['-t', 'mangle'])),
  ]);
  const seen = [nft, ...saved].filter(({ status }) => status === 0);
  if (seen.length === 0) return undefined;
  const found = families.map((family, i): [Family, Diversion] => {
    const sources = [
      nft.status === 0 ? parseNft(nft.stdout, family) : undefined,
      saved[i]?.status === 0 ? parseIptables(saved[i].stdout) : undefined,
    ].filter((one) => one?.isThere);
    return [family, { isThere: sources.length > 0, marks: sources.flatMap((one) => one?.marks ?? []) }];
  });
  return new Map(found);
}

function sysctl(path: string): number {
  try {
    return Number(readFileSync(`${SYSCTLS}/${path}`, 'utf8'));
  } catch {
    return 0;
  }
}
