/**
 * Settings to a plan: every file is read and everything that a worker will do with it is done once, here, before anything
 * is published. Nothing is half taken over: it gives a whole plan or throws a TlsError that names the file.
 */
import { X509Certificate } from 'node:crypto';
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { rootCertificates } from 'node:tls';
import type { Identity, ServerPlan, TlsPlan } from '../core/tls-plan.js';
import type { EngineName } from '../engine/engine.js';
import { TLS1_2_VERSION, TLS1_3_VERSION } from '../sys/uapi/openssl.js';
import { type Context, clientContext, serverContext } from './context.js';
import {
  type CertificateReport,
  credentialOf,
  type FoundCertificate,
  readCertificate,
  readPemFile,
  reportOf,
  shared,
} from './credential.js';
import { causeOf, TlsError } from './errors.js';
import { openSslObstacle, tlsObstacle } from './means.js';
import { nodeClientContext, nodeServerContext } from './node/node-vault.js';
import type { TlsSettings } from './settings.js';
import { fileState, readStaple, restapled, type Staple, type StapleSource, unstapled } from './staple.js';
import { refusalOfAll } from './trial.js';

/** Certificates in the SNI directory. */
const MAX_NAMES = 10_000;
const MAX_AUTHORITIES = 10_000;
/** A server name as a file may spell it; a star stands for the first label. */
const NAME = /^(\*\.)?[a-z0-9_]([a-z0-9_.-]{0,251}[a-z0-9_])?$/;
const NO_CALLBACKS = { alpn: 0, status: 0 };

export interface LoadedTls {
  readonly plan: TlsPlan | undefined;
  readonly certificates: readonly CertificateReport[];
  /** Where responses about the certificates are, or may come to be. */
  readonly staples: readonly Staple[];
  /** What is doubtful, but served: expired certificates and the like. */
  readonly warnings: readonly string[];
}

export const nothingLoaded: LoadedTls = { plan: undefined, certificates: [], staples: [], warnings: [] };

/** `verifiesServers`: some server is to prove who it is. Throws TlsError. */
export function loadTls(
  settings: TlsSettings,
  surroundings: { nowMs: number; verifiesServers: boolean; toServers: boolean; engine: EngineName | 'auto' },
): LoadedTls {
  const { nowMs, verifiesServers, toServers, engine } = surroundings;
  if (settings.certificates.length === 0) requireNothingElse(settings);
  if (settings.certificates.length === 0 && !toServers) return nothingLoaded;
  const obstacle = tlsObstacle(engine);
  if (obstacle !== '') throw new TlsError(`no TLS here: ${obstacle}`);
  const certificates: CertificateReport[] = [];
  const sources: StapleSource[] = [];
  const warnings: string[] = [];
  const plain = settings.certificates.length === 0 ? undefined : serverPlan(settings, certificates, sources);
  const staples = sources.map((source) => stapleOf(source, settings, nowMs, warnings));
  const server = plain && restapled(plain, staples);
  const serverCa = verifiesServers ? authoritiesForServers(settings.serverCa) : undefined;
  for (const { file, expiresMs, startsMs } of certificates) {
    if (expiresMs < nowMs) warnings.push(`certificate '${file}' expired on ${day(expiresMs)}`);
    if (startsMs > nowMs) warnings.push(`certificate '${file}' is not valid before ${day(startsMs)}`);
  }
  const plan = { server, serverCa, handshakeSec: settings.handshakeSec };
  return { plan, certificates: reported(certificates, staples), staples, warnings };
}

/** What has been loaded, with some staples in place of those before. */
export function withStaples(loaded: LoadedTls, fresh: readonly Staple[]): LoadedTls {
  const { plan, certificates } = loaded;
  const bySource = new Map(fresh.map((staple) => [staple.source, staple]));
  return {
    ...loaded,
    plan: plan?.server && { ...plan, server: restapled(plan.server, fresh) },
    certificates: reported(certificates, fresh),
    staples: loaded.staples.map((staple) => bySource.get(staple.source) ?? staple),
  };
}

function reported(certificates: readonly CertificateReport[], staples: readonly Staple[]): CertificateReport[] {
  const byName = new Map(staples.map((staple) => [staple.source.name, staple]));
  return certificates.map((one) => {
    const staple = byName.get(one.name);
    if (staple === undefined) return one;
    return { ...one, hasStaple: staple.source.certificates[staple.at]?.file === one.file };
  });
}

/** The file of `ssl_ocsp_response` must be good, as it has been named; one beside a certificate is passed over with a warning. */
function stapleOf(source: StapleSource, { ocspResponse }: TlsSettings, nowMs: number, warnings: string[]): Staple {
  if (source.name !== '' && fileState(source.file) === '') return unstapled(source, '');
  try {
    return readStaple(source, nowMs, warnings);
  } catch (error) {
    if (source.file === ocspResponse && source.name === '') throw error;
    warnings.push((error as Error).message);
    return unstapled(source, fileState(source.file));
  }
}

function sourceOf(file: string, name: string, found: readonly FoundCertificate[]): StapleSource {
  return { file, name, certificates: found.map(({ file, leaf }) => ({ file, serial: leaf.serialNumber })) };
}

function requireNothingElse({ keys, sniPath, clientCertificate, ocspResponse }: TlsSettings): void {
  const without =
    keys.length > 0
      ? 'ssl_key'
      : sniPath !== undefined
        ? 'ssl_sni_path'
        : clientCertificate !== 'off'
          ? 'ssl_verify'
          : ocspResponse !== undefined
            ? 'ssl_ocsp_response'
            : undefined;
  if (without !== undefined) throw new TlsError(`${without} needs a certificate (ssl_certificate FILE, or -E)`);
}

function serverPlan(settings: TlsSettings, certificates: CertificateReport[], sources: StapleSource[]): ServerPlan {
  const { options, ciphers, clientCertificate } = settings;
  const hasTls12 = !options.includes('no_tlsv1.2');
  const hasTls13 = !options.includes('no_tlsv1.3');
  if (!hasTls12 && !hasTls13) throw new TlsError('no version of TLS is left (no_tlsv1.2 and no_tlsv1.3)');
  const { suites, rest } = splitCiphers(ciphers);
  const clientCa = authoritiesForClients(settings);
  if (clientCertificate !== 'off' && clientCa === undefined) {
    throw new TlsError('client certificates need authorities to check them by (ssl_ca_file or ssl_ca_path, -G or -A)');
  }
  const plan: ServerPlan = {
    identity: defaultIdentity(settings, certificates, sources),
    names: new Map(),
    refusesUnknownNames: settings.refusesUnknownNames,
    ciphers: rest,
    suites,
    hasTls12,
    hasTls13,
    serverPreference: options.includes('cipher_server_preference'),
    compatible: options.includes('compatible'),
    clientCertificate,
    clientCa,
    alpn: settings.alpn,
  };
  const kinds = certificates.map(({ keyType }) => keyType).join(', ');
  const tried = new Set<string>();
  tryOut(plan, plan.identity, { subject: settings.certificates.map((file) => `'${file}'`).join(', '), kinds, tried });
  if (settings.sniPath === undefined) return plan;
  return { ...plan, names: readNames(plan, settings.sniPath, { certificates, sources, tried }) };
}

interface Trial {
  readonly subject: string;
  /** Of keys that the identity has. */
  readonly kinds: string;
  /** Kinds that a client has been tried with: with thousands of names a signature each would take its time. */
  readonly tried: Set<string>;
}

/** What a worker will do. */
function tryOut(plan: ServerPlan, identity: Identity, { subject, kinds, tried }: Trial): void {
  try {
    if (openSslObstacle() !== '') {
      nodeServerContext(plan, identity, undefined);
      return;
    }
    const context = serverContext(plan, identity, undefined, NO_CALLBACKS, false);
    try {
      if (!tried.has(kinds)) requireClients(plan, context, kinds);
      tried.add(kinds);
    } finally {
      context.close();
    }
  } catch (error) {
    throw new TlsError(`cannot use ${subject}: ${(error as Error).message}`, { cause: error });
  }
}

/** A version that nobody could come by is not silently left out. */
function requireClients({ hasTls12, hasTls13, ciphers }: ServerPlan, context: Context, kinds: string): void {
  const versions = [
    { name: 'TLS 1.2', has: hasTls12, number: TLS1_2_VERSION, off: 'no_tlsv1.2', other: hasTls13 },
    { name: 'TLS 1.3', has: hasTls13, number: TLS1_3_VERSION, off: 'no_tlsv1.3', other: hasTls12 },
  ];
  for (const { name, has, number, off, other } of versions) {
    const refusal = has ? refusalOfAll(context, number) : '';
    if (refusal === '') continue;
    const isOfList = ciphers !== '' && number === TLS1_2_VERSION;
    const what = isOfList ? `no cipher of '${ciphers}' goes with its key (${kinds})` : `its key (${kinds}) does not do`;
    const hint = other ? `${refusal}; ssl_option ${off} does without` : refusal;
    throw new TlsError(`${what} in ${name} (${hint})`);
  }
}

function defaultIdentity(settings: TlsSettings, certificates: CertificateReport[], sources: StapleSource[]): Identity {
  const keys = settings.keys.flatMap((file) => {
    const found = readPemFile(file).keys;
    if (found.length === 0) throw new TlsError(`cannot use '${file}': no private key in it (PEM is expected)`);
    return found;
  });
  const list = settings.certificates.map(readCertificate);
  const types = list.map(({ leaf }) => leaf.publicKey.asymmetricKeyType);
  for (const [at, type] of types.entries()) {
    if (types.indexOf(type) === at) continue;
    const [first, second] = [list[types.indexOf(type)]?.file, list[at]?.file];
    throw new TlsError(
      `'${first}' and '${second}' are both of kind ${type} (one of a kind; ssl_sni_path holds those for other names)`,
    );
  }
  if (settings.ocspResponse !== undefined) sources.push(sourceOf(settings.ocspResponse, '', list));
  for (const found of list) certificates.push(reportOf(found, ''));
  return { credentials: list.map((found) => credentialOf(found, keys)) };
}

/** `NAME.crt` with `NAME.key`, and perhaps `NAME.ca` (the chain) and `NAME.ocsp`. */
function readNames(
  plan: ServerPlan,
  folder: string,
  { certificates, sources, tried }: { certificates: CertificateReport[]; sources: StapleSource[]; tried: Set<string> },
): ReadonlyMap<string, Identity> {
  const files = new Set(listFolder(folder));
  const names = new Map<string, Identity>();
  for (const file of [...files].filter((one) => one.endsWith('.crt')).sort()) {
    const base = file.slice(0, -'.crt'.length);
    const name = base.toLowerCase();
    const path = (suffix: string) => join(folder, base + suffix);
    if (!NAME.test(name)) throw new TlsError(`cannot use '${path('.crt')}': '${base}' is no server name`);
    if (names.size === MAX_NAMES) throw new TlsError(`'${folder}' holds more than ${MAX_NAMES} certificates`);
    const found = readCertificate(path('.crt'));
    const keys = files.has(`${base}.key`) ? readPemFile(path('.key')).keys : [];
    const more = files.has(`${base}.ca`) ? readPemFile(path('.ca')).certificates : [];
    const identity = { credentials: [credentialOf(found, keys, more)] };
    const report = reportOf(found, name);
    tryOut(plan, identity, { subject: `'${path('.crt')}'`, kinds: report.keyType, tried });
    names.set(name, identity);
    certificates.push(report);
    // Whether it is there or not: it may come later.
    sources.push(sourceOf(path('.ocsp'), name, [found]));
  }
  return names;
}

function authoritiesForClients({ caFile, caPath }: TlsSettings): Uint8Array | undefined {
  const files = [
    ...(caFile === undefined ? [] : [caFile]),
    ...(caPath === undefined ? [] : listFolder(caPath).map((name) => join(caPath, name))),
  ];
  return files.length === 0 ? undefined : authorities(files, caFile ?? (caPath as string));
}

function authoritiesForServers(file: string | undefined): Uint8Array {
  const pem = file === undefined ? shared(rootCertificates.join('\n')) : authorities([file], file);
  try {
    if (openSslObstacle() !== '') nodeClientContext(pem);
    else clientContext(true, pem).close();
  } catch (error) {
    throw new TlsError(`cannot use '${file ?? 'the authorities of Node'}': ${causeOf(error)}`, { cause: error });
  }
  return pem;
}

/** Each once: a hashed folder has links beside the files. */
function authorities(files: readonly string[], subject: string): Uint8Array {
  const found = new Map<string, string>();
  for (const file of files) {
    for (const pem of readPemFile(file).certificates) {
      try {
        found.set(new X509Certificate(pem).fingerprint256, pem);
      } catch (error) {
        throw new TlsError(`cannot use '${file}': ${causeOf(error)}`, { cause: error });
      }
      if (found.size > MAX_AUTHORITIES)
        throw new TlsError(`'${subject}' holds more than ${MAX_AUTHORITIES} authorities`);
    }
  }
  if (found.size === 0) throw new TlsError(`cannot use '${subject}': no certificate in it (PEM is expected)`);
  return shared([...found.values()].join('\n'));
}

function listFolder(folder: string): string[] {
  try {
    return readdirSync(folder, { withFileTypes: true })
      .filter((entry) => entry.isFile() || entry.isSymbolicLink())
      .map(({ name }) => name);
  } catch (error) {
    throw new TlsError(`cannot read folder '${folder}': ${causeOf(error)}`, { cause: error });
  }
}

/** One list for both: suites of TLS 1.3 are known by their names. */
function splitCiphers(list: string): { suites: string; rest: string } {
  const words = list.split(/[:,\s]+/).filter((word) => word !== '');
  const isSuite = (word: string) => word.startsWith('TLS_');
  return { suites: words.filter(isSuite).join(':'), rest: words.filter((word) => !isSuite(word)).join(':') };
}

function day(ms: number): string {
  return new Date(ms).toISOString().slice(0, 10);
}
