/** What a Linux host lacks for transparent connections, and what to type: facts and probes in, findings out. */
import { formatIp, type IpEndpoint } from '../../core/address.js';
import type { LinuxFacts } from './linux-host.js';
import { routeWords, ruleWords } from './linux-rules.js';
import { type Family, hex, type TransparentSetup } from './setup.js';

export interface Finding {
  readonly state: 'good' | 'missing' | 'unknown';
  readonly piece:
    | 'capability'
    | 'divert rule'
    | 'routing rule'
    | 'route'
    | 'forwarding'
    | 'rp_filter'
    | 'return path'
    | 'server';
  readonly text: string;
  /** What to type. */
  readonly remedy?: string;
}

/** How connecting to a server went, from this host's own address and as a client. */
export interface Probe {
  readonly server: IpEndpoint;
  /** The address of a client that was tried. */
  readonly client: string;
  readonly isLocal: boolean;
  /** This host's address towards the server, which should be the server's gateway. */
  readonly gateway: string | undefined;
  readonly own: 'answered' | 'silent' | string;
  readonly asClient: 'answered' | 'silent' | string;
  /** Packets that a strict reverse path filter dropped meanwhile. */
  readonly filtered: number;
}

const APPLY = 'pen transparent-setup --apply';

/** One line for people. */
export function findingLine({ state, piece, text, remedy }: Finding): string {
  return `${state}: ${piece}: ${text}${remedy === undefined ? '' : ` (type: ${remedy})`}`;
}

/** Findings about the host itself; `obstacle` is why this process may not use a client's address, '' if it may. */
export function diagnoseHost(facts: LinuxFacts, setup: TransparentSetup, obstacle: string): Finding[] {
  const families = facts.families.filter((family) => isConcerned(setup, family));
  return [
    obstacle === ''
      ? { state: 'good', piece: 'capability', text: 'this process may use the address of a client' }
      : { state: 'missing', piece: 'capability', text: obstacle, remedy: 'sudo pen ... -u USER -O transparent' },
    ...families.flatMap((family) => [...diagnoseDiversion(facts, setup, family), diagnoseForwarding(facts, family)]),
    ...families.filter((family) => family === 4).map(() => diagnoseReversePath(facts)),
  ];
}

/** Findings about the way to a server and back; `isSetUp`: nothing of this host's own is known to be missing. */
export function diagnoseServer(probe: Probe, facts: LinuxFacts, isSetUp: boolean): Finding {
  const { server, client, own, asClient } = probe;
  const who = `${formatIp(server.address)} port ${server.port}`;
  if (probe.isLocal) {
    const text = `${who} is this host itself: its replies to clients never come in, so they cannot be diverted`;
    return { state: 'missing', piece: 'server', text, remedy: 'no transparent' };
  }
  if (own !== 'answered') {
    const text = `${who} does not even answer this host's own address (${own}), so nothing can be said of its return path`;
    return { state: 'unknown', piece: 'server', text };
  }
  if (asClient === 'answered') {
    return { state: 'good', piece: 'return path', text: `${who} answers ${client} through this host` };
  }
  if (probe.filtered > 0) {
    const strict = facts.strictReversePaths;
    const names = strict.length === 0 ? 'all' : strict.join(', ');
    return {
      state: 'missing',
      piece: 'rp_filter',
      text: `replies of ${who} come in where the route to it does not lead, and the strict filter of ${names} drops them`,
      remedy: `sysctl -w ${['all', ...strict].map((name) => `net.ipv4.conf.${name}.rp_filter=2`).join(' ')}`,
    };
  }
  if (asClient !== 'silent') {
    return { state: 'missing', piece: 'return path', text: `${who} cannot be reached from ${client}: ${asClient}` };
  }
  if (!isSetUp) {
    const text = `${who} does not answer ${client}, which may be for what is missing above`;
    return { state: 'unknown', piece: 'return path', text };
  }
  const version = server.family === 6 ? ' -6' : '';
  const strict = server.family === 6 ? [] : facts.strictReversePaths;
  const doubt = strict.length === 0 ? '' : `; or the strict rp_filter of ${strict.join(', ')} ignores even its ARP`;
  return {
    state: 'missing',
    piece: 'return path',
    text: `replies of ${who} to ${client} do not come back through this host, which must be its gateway to the clients${doubt}`,
    remedy: `on the server: ip${version} route replace default via ${probe.gateway ?? 'THIS-HOST'}`,
  };
}

/** The mark of the firewall, the rule for the mark, the route in the rule's table. */
function diagnoseDiversion(facts: LinuxFacts, setup: TransparentSetup, family: Family): Finding[] {
  const diversion = facts.diversion?.get(family);
  const findings: Finding[] = [];
  if (diversion === undefined) {
    const text =
      "the firewall's rules cannot be seen, so whether one diverts replies cannot be told (it takes root, and nft or iptables)";
    findings.push({ state: 'unknown', piece: 'divert rule', text });
  } else if (!diversion.isThere) {
    const text = `no IPv${family} firewall rule marks packets for transparent sockets`;
    findings.push({ state: 'missing', piece: 'divert rule', text, remedy: APPLY });
  } else {
    const marks = diversion.marks.map(hex).join(', ');
    const how = marks === '' ? '' : ` with ${marks}`;
    findings.push({ state: 'good', piece: 'divert rule', text: `IPv${family} replies are marked${how}` });
  }

  const marks = diversion?.marks ?? [];
  const candidates = facts.rules.filter((rule) => rule.family === family);
  const rules = marks.length === 0 ? candidates : candidates.filter(({ mark }) => marks.includes(mark));
  const mark = marks[0] ?? setup.mark;
  if (rules.length === 0) {
    const remedy = `ip ${ruleWords({ ...setup, mark }, family).join(' ')}, or ${APPLY}`;
    const text = `no IPv${family} routing rule for mark ${hex(mark)}`;
    return [...findings, { state: 'missing', piece: 'routing rule', text, remedy }];
  }
  const isWhole = (table: number) => {
    const local = facts.routes.filter((route) => route.family === family && route.table === table && route.isLocal);
    const to = (destination: string) => local.some((route) => route.destination === destination);
    return to('default') || (family === 4 ? to('0.0.0.0/1') && to('128.0.0.0/1') : to('::/1') && to('8000::/1'));
  };
  const good = rules.find(({ table }) => isWhole(table));
  const rule = good ?? (rules[0] as (typeof rules)[number]);
  const ruled = `IPv${family} packets with mark ${hex(rule.mark)} look in table ${rule.table}`;
  findings.push({ state: 'good', piece: 'routing rule', text: ruled });
  if (good) {
    findings.push({
      state: 'good',
      piece: 'route',
      text: `IPv${family} table ${good.table} keeps every address local`,
    });
  } else {
    const remedy = `ip ${routeWords(rule, family).join(' ')}, or ${APPLY}`;
    const text = `IPv${family} table ${rule.table} has no local default route`;
    findings.push({ state: 'missing', piece: 'route', text, remedy });
  }
  return findings;
}

/** Replies to pen need none. But servers whose gateway is this host are cut off from all others without it. */
function diagnoseForwarding(facts: LinuxFacts, family: Family): Finding {
  if (facts.forwards.get(family)) {
    return { state: 'good', piece: 'forwarding', text: `this host forwards IPv${family} for the servers behind it` };
  }
  const name = family === 4 ? 'net.ipv4.ip_forward' : 'net.ipv6.conf.all.forwarding';
  const text = `this host forwards no IPv${family}: servers that have it as their gateway reach nobody but pen`;
  return { state: 'missing', piece: 'forwarding', text, remedy: `sysctl -w ${name}=1` };
}

/** With src_valid_mark the kernel looks for the way back in the table where every address is local: a martian source. */
function diagnoseReversePath(facts: LinuxFacts): Finding {
  const marked = facts.markedReversePaths;
  if (marked.length === 0) {
    return { state: 'good', piece: 'rp_filter', text: 'the reverse path filter takes no marks into account' };
  }
  const text = `src_valid_mark on ${marked.join(', ')} makes the kernel drop every packet that is marked`;
  const names = ['all', ...marked].map((name) => `net.ipv4.conf.${name}.src_valid_mark=0`);
  return { state: 'missing', piece: 'rp_filter', text, remedy: `sysctl -w ${names.join(' ')}` };
}

/** Without a server of the other family nothing is to be set up for it. */
function isConcerned({ servers }: TransparentSetup, family: Family): boolean {
  return servers.length === 0 || servers.some((server) => server.family === family);
}
