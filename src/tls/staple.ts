/**
 * Stapled OCSP responses: which file has the one about a certificate, and whether it may be stapled. They are renewed every
 * few days, so they are read apart from certificates and keys: keys may be out of reach since privileges were dropped.
 */
import { statSync } from 'node:fs';
import type { Identity, ServerPlan } from '../core/tls-plan.js';
import { readBounded, shared } from './credential.js';
import { TlsError } from './errors.js';
import { readOcspResponse } from './ocsp.js';

/** A file that has, or may come to have, the response about one of these certificates. */
export interface StapleSource {
  readonly file: string;
  /** The SNI directory's name for the certificates, '' = the default. */
  readonly name: string;
  /** In the order of the identity's credentials. */
  readonly certificates: readonly { readonly file: string; readonly serial: string }[];
}

/** What has become of a source. */
export interface Staple {
  readonly source: StapleSource;
  /** The state of the file when it was looked at, see `fileState`. */
  readonly state: string;
  /** Which of the certificates it is about, -1 = nothing is stapled. */
  readonly at: number;
  readonly response: Uint8Array | undefined;
  readonly expiresMs: number;
}

/** Throws TlsError if it cannot be used; what is sound but better not stapled is a warning. */
export function readStaple(source: StapleSource, nowMs: number, warnings: string[]): Staple {
  const { file, certificates } = source;
  const state = fileState(file);
  const response = shared(readBounded(file));
  const answers = readOcspResponse(response);
  if (typeof answers === 'string') throw new TlsError(`cannot use '${file}': ${answers}`);
  const at = certificates.findIndex(({ serial }) => answers.some((answer) => answer.serial === serial));
  const answer = answers.find(({ serial }) => serial === certificates[at]?.serial);
  if (answer === undefined) throw new TlsError(`cannot use '${file}': the OCSP response is about another certificate`);
  // None is better than one that makes clients turn away.
  if (answer.status !== 'good') warnings.push(`OCSP response '${file}' says '${answer.status}' and is not stapled`);
  else if (answer.expiresMs <= nowMs) warnings.push(staleness(file, answer.expiresMs));
  else return { source, state, at, response, expiresMs: answer.expiresMs };
  return unstapled(source, state);
}

export function staleness(file: string, expiresMs: number): string {
  return `OCSP response '${file}' is out of date since ${new Date(expiresMs).toISOString().slice(0, 10)} and not stapled`;
}

export function unstapled(source: StapleSource, state: string): Staple {
  return { source, state, at: -1, response: undefined, expiresMs: Infinity };
}

/** Another text once the file has another content; '' if it cannot be seen. */
export function fileState(file: string): string {
  try {
    const { mtimeMs, size, ino } = statSync(file);
    return `${mtimeMs} ${size} ${ino}`;
  } catch {
    return '';
  }
}

/** The plan with these staples in place of those before. */
export function restapled(plan: ServerPlan, staples: readonly Staple[]): ServerPlan {
  let { identity } = plan;
  const names = new Map(plan.names);
  for (const staple of staples) {
    const { name } = staple.source;
    if (name === '') identity = withStaple(identity, staple);
    else names.set(name, withStaple(names.get(name) as Identity, staple));
  }
  return { ...plan, identity, names };
}

function withStaple({ credentials }: Identity, { at, response }: Staple): Identity {
  return { credentials: credentials.map((one, i) => ({ ...one, ocsp: i === at ? response : undefined })) };
}
