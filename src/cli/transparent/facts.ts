/** What a Linux host says of itself, read from the output of its tools: text in, values out. */
import { IPTABLES_CHAIN } from './linux-rules.js';
import type { Family } from './setup.js';

/** A routing rule that looks at the mark. */
export interface MarkRule {
  readonly family: Family;
  readonly preference: number;
  readonly mark: number;
  readonly table: number;
  readonly owner: number;
}

export interface Route {
  readonly family: Family;
  /** As `ip` writes it. */
  readonly destination: string;
  readonly isLocal: boolean;
  readonly table: number;
  readonly owner: number;
}

/** How packets for transparent sockets are marked. */
export interface Diversion {
  readonly isThere: boolean;
  /** Empty although there is one: it marks in a way that could not be read. */
  readonly marks: readonly number[];
}

/** What there is of our chain of iptables. */
export interface OwnChain {
  readonly isOurs: boolean;
  /** PREROUTING leads to it. */
  readonly isHooked: boolean;
  /** Its rules. */
  readonly own: readonly string[];
}

/** RTN_LOCAL of <linux/rtnetlink.h>. */
const LOCAL = '2';

/** From `ip -N -j rule`; rules without a mark are left out. */
export function parseRules(json: string, family: Family): MarkRule[] {
  return objects(json)
    .filter((rule) => typeof rule.fwmark === 'string')
    .map((rule) => ({
      family,
      preference: Number(rule.priority),
      mark: Number(rule.fwmark),
      table: Number(rule.table),
      owner: Number(rule.protocol ?? 0),
    }));
}

/** From `ip -N -j route show table ...`; `table` for those that do not say theirs. */
export function parseRoutes(json: string, family: Family, table = 0): Route[] {
  return objects(json).map((route) => ({
    family,
    destination: String(route.dst),
    isLocal: route.type === LOCAL,
    table: Number(route.table ?? table),
    owner: Number(route.protocol ?? 0),
  }));
}

/** From `nft -j list ruleset`. */
export function parseNft(json: string, family: Family): Diversion {
  const families = ['inet', family === 4 ? 'ip' : 'ip6'];
  const found = (JSON.parse(json) as { nftables?: NftObject[] }).nftables ?? [];
  const diverting = found
    .flatMap(({ rule }) => (rule === undefined || !families.includes(rule.family) ? [] : [rule.expr ?? []]))
    .filter((expressions) => expressions.some(({ match }) => match?.left?.socket?.key === 'transparent'));
  const marks = diverting.flat().flatMap(({ mangle }) => {
    return mangle?.key?.meta?.key === 'mark' && typeof mangle.value === 'number' ? [mangle.value] : [];
  });
  return { isThere: diverting.length > 0, marks: [...new Set(marks)] };
}

/** From `iptables-save -t mangle` or `ip6tables-save -t mangle`. Jumps are not followed: every mark that is set counts. */
export function parseIptables(text: string): Diversion & OwnChain {
  const rules = text.split('\n').filter((line) => line.startsWith('-A '));
  const isThere = rules.some((rule) => / -m socket( |$)/.test(rule));
  const marks = rules.flatMap((rule) => / --set-x?mark (0x[0-9a-f]+|\d+)/.exec(rule)?.[1] ?? []).map(Number);
  return {
    isThere,
    marks: isThere ? [...new Set(marks)] : [],
    isOurs: text.includes(`\n:${IPTABLES_CHAIN} `),
    isHooked: rules.includes(`-A PREROUTING -j ${IPTABLES_CHAIN}`),
    own: rules.filter((rule) => rule.startsWith(`-A ${IPTABLES_CHAIN} `)),
  };
}

/** The number of packets that strict rp_filter has dropped, from /proc/net/netstat: names on one line, values on the next. */
export function parseReversePathDrops(netstat: string): number {
  const [names = [], values = []] = netstat
    .split('\n')
    .filter((line) => line.startsWith('TcpExt:'))
    .map((line) => line.split(' '));
  return Number(values[names.indexOf('IPReversePathFilter')] ?? 0);
}

interface NftObject {
  readonly rule?: { readonly family: string; readonly expr?: readonly NftExpression[] };
}

interface NftExpression {
  readonly match?: { readonly left?: { readonly socket?: { readonly key?: string } } };
  readonly mangle?: { readonly key?: { readonly meta?: { readonly key?: string } }; readonly value?: unknown };
}

/** `ip -j` prints nothing, or half a list, where there is nothing to list. */
function objects(json: string): Record<string, unknown>[] {
  try {
    return JSON.parse(json) as Record<string, unknown>[];
  } catch {
    return [];
  }
}
