/**
 * The rules that bring the servers' replies to pen on Linux. A reply is addressed to a client, so this host would
 * forward it. Instead it is recognised by the transparent socket that waits for it and marked (nftables, or iptables),
 * a routing rule sends what is marked to a table, and that table says that every address is this host's:
 *
 *   server ──► prerouting: socket transparent? mark ──► rule: fwmark ► table ──► route: local default ──► pen
 *
 * After Documentation/networking/tproxy.rst of the kernel. Everything has a name or an owner of ours, so that it can
 * be found again and taken away without a trace.
 */
import { type Family, hex, type Interception, OWNER, PREFERENCE, type TransparentSetup } from './setup.js';

export const NFT_TABLE = 'pen_transparent';
export const IPTABLES_CHAIN = 'PEN_TRANSPARENT';

/** For `nft -f -`: one transaction that makes the table, also where it is there already. */
export function nftText(setup: TransparentSetup): string {
  const mark = `meta mark set ${hex(setup.mark)} accept`;
  const from = setup.from === undefined ? '' : `iifname "${setup.from}" `;
  const lines = [
    'type filter hook prerouting priority mangle; policy accept;',
    // A listener on a wildcard address waits for nobody's replies.
    `socket wildcard 0 socket transparent 1 ${mark}`,
    ...setup.interceptions.map(
      ({ protocol, port, penPort }) => `${from}${protocol} dport ${port} tproxy to :${penPort} ${mark}`,
    ),
  ];
  return [
    `table inet ${NFT_TABLE}`,
    ...nftUndoText().trimEnd().split('\n'),
    `table inet ${NFT_TABLE} {`,
    '\tchain divert {',
    ...lines.map((line) => `\t\t${line}`),
    '\t}',
    '}',
    '',
  ].join('\n');
}

export function nftUndoText(): string {
  return `delete table inet ${NFT_TABLE}\n`;
}

/** For `iptables-restore --noflush` and `ip6tables-restore --noflush`; naming the chain empties it. */
export function iptablesText(setup: TransparentSetup, isHooked: boolean): string {
  const mark = hex(setup.mark);
  const from = setup.from === undefined ? '' : `-i ${setup.from} `;
  const intercept = ({ protocol, port, penPort }: Interception) =>
    `${from}-p ${protocol} -m ${protocol} --dport ${port} -j TPROXY --on-port ${penPort} --tproxy-mark ${mark}`;
  return [
    '*mangle',
    `:${IPTABLES_CHAIN} - [0:0]`,
    ...[
      `-m socket --transparent -j MARK --set-mark ${mark}`,
      `-m mark --mark ${mark} -j ACCEPT`,
      ...setup.interceptions.map(intercept),
    ].map((rule) => `-A ${IPTABLES_CHAIN} ${rule}`),
    ...(isHooked ? [] : [`-I PREROUTING -j ${IPTABLES_CHAIN}`]),
    'COMMIT',
    '',
  ].join('\n');
}

export function iptablesUndoText(isHooked: boolean): string {
  const chain = IPTABLES_CHAIN;
  const hook = isHooked ? [`-D PREROUTING -j ${chain}`] : [];
  return ['*mangle', ...hook, `-F ${chain}`, `-X ${chain}`, 'COMMIT', ''].join('\n');
}

/** Arguments of `ip` for the routing rule. */
export function ruleWords(setup: Pick<TransparentSetup, 'table' | 'mark'>, family: Family): string[] {
  const { table, mark } = setup;
  return [
    `-${family}`,
    ...`rule add pref ${PREFERENCE} fwmark ${hex(mark)} lookup ${table} protocol ${OWNER}`.split(' '),
  ];
}

/** Arguments of `ip` for the route. */
export function routeWords(setup: Pick<TransparentSetup, 'table'>, family: Family): string[] {
  return [`-${family}`, ...`route add local default dev lo table ${setup.table} protocol ${OWNER}`.split(' ')];
}

/** The arguments that take away what the others have added. */
export function inverse(words: readonly string[]): string[] {
  return words.map((word) => (word === 'add' ? 'del' : word));
}
