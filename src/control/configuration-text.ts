/** A Setup in penctl language: reading the text gives the same Setup again, every setting of it. */
import type { AclEntry } from '../core/acl.js';
import { formatIp, type IpWords, isV4 } from '../core/address.js';
import { emptySlot, NONE, type ServerSpec, type Settings } from '../core/configuration.js';
import type { TlsSettings } from '../tls/settings.js';
import { describeSpare, hostOf } from './commands/servers.js';
import { vipLines } from './commands/vips.js';
import type { Setup } from './draft.js';
import { CommandError } from './errors.js';

/** How each setting is written. The type demands a line for every key of Settings. */
const settingLines: { readonly [K in keyof Settings]: (value: Settings[K]) => string } = {
  abortOnError: toggle('abort_on_error'),
  acceptBatch: number('multi_accept'),
  blacklistSec: number('blacklist'),
  clientAcl: number('client_acl'),
  clientsMax: number('clients_max'),
  connectTimeoutSec: number('timeout'),
  connectionsMax: number('conn_max'),
  controlAcl: number('control_acl'),
  debug: number('debug'),
  dsrRole: (role) => `dsr_role ${role}`,
  dummy: toggle('dummy'),
  fastClose: (side) => `tcp_fastclose ${side}`,
  hash: toggle('hash'),
  headTimeoutSec: number('head_timeout'),
  http: toggle('http'),
  httpForwarded: toggle('http forwarded'),
  httpTrust: (acl) => (acl === NONE ? 'no http trust' : `http trust ${acl}`),
  idleTimeoutSec: number('idle_timeout'),
  idlers: number('idlers'),
  keepalive: toggle('keepalive'),
  listenBacklog: number('listen_backlog'),
  log: (target) => (target === undefined ? 'no log' : `log ${sayable(target.text)}`),
  logFormat: (format) => `log_format ${format}`,
  pendingMax: number('pending_max'),
  peek: toggle('peek'),
  prio: toggle('prio'),
  proxyAcl: number('proxy_acl'),
  roundRobin: toggle('roundrobin'),
  source: (endpoint) => `source ${endpoint?.kind === 'ip' ? formatIp(endpoint.address) : '0.0.0.0'}`,
  stubborn: toggle('stubborn'),
  tarpitAcl: number('tarpit_acl'),
  tcpNodelay: toggle('tcp_nodelay'),
  threads: number('threads'),
  trackingSec: number('tracking'),
  transparent: (what) => ({ off: 'no transparent', address: 'transparent', port: 'transparent port' })[what],
  transparentListen: toggle('transparent listen'),
  transparentStrict: toggle('transparent strict'),
  udp: toggle('udp'),
  udpExpectSec: number('udp_expect'),
  udpResponses: number('udp_responses'),
  udpTimeoutSec: number('udp_timeout'),
  weight: toggle('weight'),
};

/**
 * The text for `write`. `rows`: of the server table as the command line alone makes it, which must not come back when the
 * file is read after it. Throws CommandError if a file name cannot be said in the language.
 */
export function configurationText(setup: Setup, rows: number): string {
  const { configuration, listen, webStats, engine, dsrInterface, dsrMode, dsrPin, admin, adminToken } = setup;
  const lines = [
    '# Written by pen; start with: pen -F FILE',
    ...(engine === 'auto' ? [] : [engine]),
    ...(dsrInterface === undefined ? [] : [`dsr_if ${dsrInterface}`]),
    ...(dsrMode === 'auto' ? [] : [`dsr_mode ${dsrMode}`]),
    ...(dsrPin === undefined ? [] : [`dsr_pin ${sayable(dsrPin)}`]),
    ...(listen ? [`listen ${listen.text}`] : []),
    ...configuration.acls.flatMap((entries, number) => [
      `no acl ${number}`,
      ...entries.map((entry) => `acl ${number} ${aclText(entry)}`),
    ]),
    ...allSettings(configuration.settings),
    ...configuration.servers.map(serverLine),
    ...Array.from({ length: rows }, (_, slot) => serverLine(emptySlot, slot)).slice(configuration.servers.length),
    ...(dsrInterface === undefined ? [] : ['no dsr_vip', ...configuration.vips.flatMap(vipLines)]),
    spareLine('emergency', configuration.emergency),
    spareLine('abuse_server', configuration.abuse),
    ...tlsLines(setup.tls),
    webStats === undefined ? 'no web_stats' : `web_stats ${sayable(webStats)}`,
    adminToken === undefined ? 'no admin_token' : `admin_token ${sayable(adminToken.file)}`,
    admin === undefined ? 'no admin' : `admin ${sayable(admin.text)}`,
  ];
  return `${lines.join('\n')}\n`;
}

/** Lists are emptied first, so that they win over those of the command line. */
function tlsLines(tls: TlsSettings): string[] {
  const file = (word: string, name: string | undefined) =>
    name === undefined ? `no ${word}` : `${word} ${sayable(name)}`;
  return [
    'no ssl_certificate',
    ...tls.certificates.map((name) => file('ssl_certificate', name)),
    'no ssl_key',
    ...tls.keys.map((name) => file('ssl_key', name)),
    file('ssl_ca_file', tls.caFile),
    file('ssl_ca_path', tls.caPath),
    file('ssl_server_ca', tls.serverCa),
    file('ssl_ocsp_response', tls.ocspResponse),
    file('ssl_sni_path', tls.sniPath),
    `ssl_sni_unknown ${tls.refusesUnknownNames ? 'refuse' : 'default'}`,
    `ssl_verify ${tls.clientCertificate}`,
    tls.ciphers === '' ? 'no ssl_ciphers' : `ssl_ciphers ${sayable(tls.ciphers)}`,
    'no ssl_option',
    ...tls.options.map((option) => `ssl_option ${option}`),
    tls.alpn.length === 0 ? 'no ssl_alpn' : `ssl_alpn ${tls.alpn.join(' ')}`,
    `ssl_ticket_time ${tls.ticketSec}`,
    `ssl_handshake_time ${tls.handshakeSec}`,
    `ssl_client_renegotiation_interval ${tls.renegotiationSec}`,
  ];
}

/** Sorted, so `conn_max`, which `idlers` may not exceed, comes before it, and `transparent` before its refinements. */
function allSettings(settings: Settings): string[] {
  const keys = Object.keys(settingLines) as (keyof Settings)[];
  return keys.map((key) => settingLine(key, settings));
}

function settingLine<K extends keyof Settings>(key: K, settings: Settings): string {
  return settingLines[key](settings[key]);
}

function toggle(word: string): (value: boolean) => string {
  return (value) => (value ? word : `no ${word}`);
}

function number(word: string): (value: number) => string {
  return (value) => `${word} ${value}`;
}

function aclText(entry: AclEntry): string {
  const verdict = entry.permit ? 'permit' : 'deny';
  if (entry.kind === 'country') return `${verdict} country ${entry.country}`;
  const { address, mask } = entry;
  if (isV4(address) && mask[0] === -1 && mask[1] === -1 && mask[2] === -1) {
    return `${verdict} ${formatIp(address)} ${formatIp([0, 0, 0xffff, mask[3]])}`;
  }
  // An IPv6 prefix that happens to begin like a mapped IPv4 address must keep its colons.
  const text = isV4(address) ? `::ffff:${formatIp(address)}` : formatIp(address);
  return `${verdict} ${text}/${prefixLength(mask)}`;
}

function prefixLength(mask: IpWords): number {
  return mask.reduce((bits, word) => bits + Math.clz32(~word), 0);
}

/** An empty row has the address that empties it, so that it wins over a row of the command line. */
function serverLine(spec: ServerSpec, slot: number): string {
  const { endpoint, acl, max, hard, weight, prio, proxy, names, tls, sni, encap } = spec;
  const port = endpoint?.kind === 'unix' ? '' : ` port ${endpoint?.port ?? 0}`;
  const address = `address ${sayable(hostOf(endpoint))}${port}`;
  const limits = `max ${max} hard ${hard} weight ${weight} prio ${prio}`;
  const peer = sni !== '' ? ` sni ${sni}` : tls === 'off' ? '' : ' sni -';
  const way = `tls ${tls}${peer} encap ${encap}`;
  return `server ${slot} acl ${acl} ${address} ${limits} proxy ${proxy} name ${names.join() || '*'} ${way}`;
}

function spareLine(word: string, spec: ServerSpec | undefined): string {
  return spec === undefined || spec === emptySlot ? `no ${word}` : `${word} ${sayable(describeSpare(spec))}`;
}

/** The language has no quotes: such a name could be written but not read. */
function sayable(name: string): string {
  if (/\p{Cc}|^\s|\s$|(^|\s)#/u.test(name)) {
    throw new CommandError(`the name '${name}' cannot be written in a configuration file`);
  }
  return name;
}
