/** TLS termination: what a handshake costs, whole and resumed, and what the bytes cost. A P-256 certificate, TLS 1.3. */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { contest } from '../contest.js';
import { contestSection } from '../contest-section.js';
import { ROOT } from '../machine.js';
import { scratch } from '../program.js';
import { forTls } from '../rivals/rivals.js';

/** Certificate, chain and key in one file, which is what all of them take. */
function certificate() {
  const file = join(scratch, 'certificate.pem');
  const fixtures = join(ROOT, 'test/fixtures/tls');
  writeFileSync(file, ['ec.crt', 'ec.key'].map((name) => readFileSync(join(fixtures, name), 'utf8')).join(''));
  return file;
}

/**
 * As shipped, the rivals take the suite that wrk and ab (OpenSSL) put first, AES-256, and ours AES-128: how much of the
 * difference is that.
 * @param {import('../rivals/rivals.js').Competitor} ours
 * @returns {import('../rivals/rivals.js').Competitor}
 */
function withTheirSuite({ command, ...ours }) {
  return {
    ...ours,
    id: `${ours.id}-aes-256`,
    label: `${ours.label}, AES-256`,
    kind: 'context',
    command: command && ((setup) => command({ ...setup, suite: 'TLS_AES_256_GCM_SHA384' })),
  };
}

/**
 * @param {{ name: string, title: string, question: string, unit?: string }} text
 * @param {{ connections: number, path?: string, perConnection?: boolean, resumes?: boolean }} load
 * @param {Parameters<typeof contestSection>[2]} claims
 * @returns {import('./cases.js').Case}
 */
function tlsCase(text, load, claims) {
  return {
    name: text.name,
    async run(bench) {
      const competitors = [...bench.competitors.filter(({ id }) => id !== 'direct'), ...forTls];
      competitors.push(...bench.competitors.filter(({ id }) => id === 'uring').map(withTheirSuite));
      const results = await contest(bench, { ...load, competitors, certificate: certificate() });
      return contestSection(text, results, claims);
    },
  };
}

export const tlsFull = tlsCase(
  {
    name: 'tls-full',
    title: 'A TLS handshake per request',
    question: 'What does a whole TLS 1.3 handshake with one request cost? 32 at a time, nothing resumed.',
  },
  { connections: 32, perConnection: true },
  [
    { of: 'ours', to: 'best', field: 'cpuUs', limit: 1.1 },
    { of: 'ours', to: 'haproxy', field: 'cpuUs', limit: 1 },
  ],
);

export const tlsResumed = tlsCase(
  {
    name: 'tls-resumed',
    title: 'A resumed TLS handshake per request',
    question: 'The same with a ticket of the connection before. 16 at a time.',
  },
  { connections: 16, resumes: true },
  [{ of: 'ours', to: 'best', field: 'cpuUs', limit: 1.1 }],
);

export const tlsKeepAlive = tlsCase(
  {
    name: 'tls-keep-alive',
    title: 'Requests on TLS connections that stay',
    question: 'What does a small request and its answer cost on a connection that is there already? 32 of them.',
  },
  { connections: 32 },
  [{ of: 'ours', to: 'best', field: 'cpuUs', limit: 1.1 }],
);

export const tlsBulk = tlsCase(
  {
    name: 'tls-bulk',
    title: 'Large bodies over TLS',
    question: 'What does it cost to seal and move a megabyte? 8 connections, bodies of 1 MiB.',
    unit: 'MB',
  },
  { connections: 8, path: '/1m' },
  [
    // A core that is busy seals 1.2 times as much; where load generator and backend share one, they are the limit in MB/s.
    { of: 'ours', to: 'best', field: 'cpuUs', limit: 0.83 },
  ],
);
