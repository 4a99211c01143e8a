/** TLS: which certificates, keys and authorities, and how strict. `ssl` tells how they are; files are read when all is set. */
import type { ClientCertificate } from '../../core/tls-plan.js';
import { defaultTlsSettings, SSL_OPTIONS, type TlsSettings } from '../../tls/settings.js';
import { type Argument, choice, fileName, integer, MAX_INT, optional } from '../argument.js';
import { action, type Command, setting } from '../command.js';
import { CommandError, quoted } from '../errors.js';

type FileKey = { [K in keyof TlsSettings]: TlsSettings[K] extends string | undefined ? K : never }[keyof TlsSettings];
type FilesKey = 'certificates' | 'keys';
type NumberKey = { [K in keyof TlsSettings]: TlsSettings[K] extends number ? K : never }[keyof TlsSettings];

const MAX_FILES = 16;
/** Certificates are counted in days. */
const DAY_MS = 86_400_000;

const restOfLine: Argument<string> = {
  usage: '[S]',
  take: (words) => words.rest(),
};

export const tlsCommands: readonly Command[] = [
  ...filesCommands(
    'ssl_certificate',
    'certificates',
    'a certificate in PEM, its chain after it (-E); one a kind of key',
    true,
  ),
  ...filesCommands('ssl_key', 'keys', 'a key in PEM (-K); the certificate that it belongs to is found', true),
  ...fileCommands('ssl_ca_file', 'caFile', 'the authorities that client certificates are checked by (-G)', true),
  ...fileCommands('ssl_ca_path', 'caPath', 'a folder of such authorities (-A)', true, 'DIR'),
  ...fileCommands('ssl_server_ca', 'serverCa', 'the authorities that servers of `tls verify` are checked by', true),
  ...fileCommands(
    'ssl_ocsp_response',
    'ocspResponse',
    'a DER OCSP response to staple; read again when it changes',
    false,
  ),
  ...fileCommands(
    'ssl_sni_path',
    'sniPath',
    'a folder with NAME.crt and NAME.key (NAME.ca, NAME.ocsp) by server name',
    false,
    'DIR',
  ),
  setting({
    name: 'ssl_sni_unknown',
    arguments: [optional(choice(['default', 'refuse'] as const))],
    section: 'TLS',
    help: 'what a client gets that names a server which ssl_sni_path has not',
    isNew: true,
    run({ draft }, answer) {
      if (answer !== undefined) draft.tls = { ...draft.tls, refusesUnknownNames: answer === 'refuse' };
      return `${draft.tls.refusesUnknownNames ? 'refuse' : 'default'}\n`;
    },
  }),
  setting({
    name: 'ssl_verify',
    arguments: [optional(choice<ClientCertificate>(['off', 'optional', 'required']))],
    section: 'TLS',
    help: 'whether clients show a certificate (-R: required)',
    isNew: true,
    run({ draft }, clientCertificate) {
      if (clientCertificate !== undefined) draft.tls = { ...draft.tls, clientCertificate };
      return `${draft.tls.clientCertificate}\n`;
    },
  }),
  setting({
    name: 'ssl_ciphers',
    arguments: [restOfLine],
    section: 'TLS',
    help: "ciphers in OpenSSL's notation, suites of TLS 1.3 by their names",
    run({ draft }, ciphers) {
      if (ciphers === '') return draft.tls.ciphers === '' ? undefined : `${draft.tls.ciphers}\n`;
      draft.tls = { ...draft.tls, ciphers };
      return undefined;
    },
  }),
  off('ssl_ciphers', "OpenSSL's own choice of ciphers", { ciphers: defaultTlsSettings.ciphers }),
  setting({
    name: 'ssl_option',
    arguments: [choice(SSL_OPTIONS)],
    section: 'TLS',
    help: 'what is spoken, and who chooses the cipher; repeatable; SSL and TLS before 1.2 are never spoken',
    run({ draft }, option) {
      const options = [...new Set([...draft.tls.options, option])];
      draft.tls = { ...draft.tls, options };
      return undefined;
    },
  }),
  off('ssl_option', 'none of those options', { options: defaultTlsSettings.options }),
  setting({
    name: 'ssl_alpn',
    arguments: [restOfLine],
    section: 'TLS',
    help: 'protocols that are offered to clients (ALPN), the preferred one first: h2 http/1.1',
    isNew: true,
    run({ draft }, list) {
      if (list !== '') draft.tls = { ...draft.tls, alpn: protocolNames(list) };
      return draft.tls.alpn.length === 0 ? undefined : `${draft.tls.alpn.join(' ')}\n`;
    },
  }),
  off('ssl_alpn', 'offer no protocols', { alpn: [] }),
  numberCommand(
    'ssl_ticket_time',
    'ticketSec',
    'seconds after which session tickets get another key, 0 = no tickets',
    true,
    MAX_INT,
  ),
  numberCommand(
    'ssl_handshake_time',
    'handshakeSec',
    'seconds that a client may take for its handshake',
    true,
    3600,
    1,
  ),
  numberCommand(
    'ssl_client_renegotiation_interval',
    'renegotiationSec',
    'for the sake of old files: clients may not renegotiate at all',
    false,
    MAX_INT,
  ),
  action({
    name: 'ssl',
    section: 'TLS',
    help: 'the certificates in use with the days they have left, and handshakes so far; cut: streams that ended without the notice of TLS',
    isNew: true,
    run({ service }) {
      const nowMs = service.wallMs();
      const lines = service.certificates.map(({ name, file, keyType, subject, expiresMs, hasStaple }) => {
        const days = Math.floor((expiresMs - nowMs) / DAY_MS);
        const left = days < 0 ? `expired ${-days} days ago` : `days ${days}`;
        return `${name === '' ? 'default' : name} ${left} key ${keyType} staple ${hasStaple ? 'yes' : 'no'} file ${file} subject ${subject}\n`;
      });
      const { full, resumed, failed, toServers, toServersResumed, failedToServers, cut, cutByServers } =
        service.dataPlane.tlsCounts();
      return [
        ...lines,
        `clients full ${full} resumed ${resumed} failed ${failed} cut ${cut}\n`,
        `servers full ${toServers} resumed ${toServersResumed} failed ${failedToServers} cut ${cutByServers}\n`,
      ].join('');
    },
  }),
  action({
    name: 'ssl_reload',
    section: 'TLS',
    help: 'read certificates and keys again, as HUP does; connections go on',
    isNew: true,
    async run({ service }) {
      await service.reloadTls();
      return undefined;
    },
  }),
];

function filesCommands(name: string, key: FilesKey, help: string, isNew: boolean): Command[] {
  return [
    setting({
      name,
      arguments: [optional(fileName('FILE'))],
      section: 'TLS',
      help,
      isNew,
      run({ draft }, file) {
        if (file === undefined) return draft.tls[key].map((one) => `${one}\n`).join('');
        const files = [...new Set([...draft.tls[key], file])];
        if (files.length > MAX_FILES) throw new CommandError(`more than ${MAX_FILES} files`);
        draft.tls = { ...draft.tls, [key]: files };
        return undefined;
      },
    }),
    off(name, name === 'ssl_certificate' ? 'no TLS for clients' : 'no files of keys', { [key]: [] }, isNew),
  ];
}

function fileCommands(name: string, key: FileKey, help: string, isNew: boolean, argument = 'FILE'): Command[] {
  return [
    setting({
      name,
      arguments: [optional(fileName(argument))],
      section: 'TLS',
      help,
      isNew,
      run({ draft }, file) {
        if (file !== undefined) draft.tls = { ...draft.tls, [key]: file };
        return draft.tls[key] === undefined ? undefined : `${draft.tls[key]}\n`;
      },
    }),
    off(name, `off: ${help}`, { [key]: undefined }),
  ];
}

function numberCommand(name: string, key: NumberKey, help: string, isNew: boolean, max: number, min = 0): Command {
  return setting({
    name,
    arguments: [optional(integer('SEC', min, max))],
    section: 'TLS',
    help,
    isNew,
    run({ draft }, value) {
      if (value !== undefined) draft.tls = { ...draft.tls, [key]: value };
      return `${draft.tls[key]}\n`;
    },
  });
}

function off(name: string, help: string, changes: Partial<TlsSettings>, isNew = true): Command {
  return setting({
    name: `no ${name}`,
    section: 'TLS',
    help,
    isNew,
    run({ draft }) {
      draft.tls = { ...draft.tls, ...changes };
      return undefined;
    },
  });
}

/** RFC 7301 allows any bytes; registered names are visible ASCII. */
function protocolNames(list: string): string[] {
  const names = list.split(/[\s,]+/).filter((name) => name !== '');
  const bad = names.find((name) => !/^[\x21-\x7e]{1,255}$/.test(name));
  if (bad !== undefined) throw new CommandError(`${quoted(bad)} is no protocol name`);
  if (names.length > MAX_FILES) throw new CommandError(`more than ${MAX_FILES} protocols`);
  return names;
}
