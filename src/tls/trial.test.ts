import assert from 'node:assert/strict';
import { test } from 'node:test';
import { fixture } from '../../test/support/certificates.js';
import { liveContexts } from './context.js';
import { loadTls } from './load.js';
import { openSslObstacle } from './means.js';
import { liveSessions } from './session.js';
import { defaultTlsSettings, type TlsSettings } from './settings.js';

const skip = openSslObstacle() || false;
const NOW = Date.UTC(2027, 0, 1);

function load(names: readonly string[], settings: Partial<TlsSettings>): string {
  const files = {
    certificates: names.map((name) => fixture(`${name}.crt`)),
    keys: names.map((name) => fixture(`${name}.key`)),
  };
  try {
    loadTls(
      { ...defaultTlsSettings, ...files, ...settings },
      { nowMs: NOW, verifiesServers: false, toServers: false, engine: 'auto' },
    );
    return '';
  } catch (error) {
    return (error as Error).message;
  }
}

test('a list of ciphers by which no client could come is refused, one by which some could is not', { skip }, () => {
  const rows: [string[], Partial<TlsSettings>, RegExp][] = [
    [['ec'], {}, /^$/],
    [['rsa'], {}, /^$/],
    [['ec', 'rsa'], { ciphers: 'ECDHE-RSA-AES128-GCM-SHA256' }, /^$/],
    [['rsa'], { ciphers: 'ECDHE-RSA-AES128-GCM-SHA256', options: ['no_tlsv1.3'] }, /^$/],
    [['ec'], { ciphers: 'TLS_AES_128_GCM_SHA256' }, /^$/],
    [['ec'], { ciphers: 'ECDHE-RSA-AES128-GCM-SHA256', options: ['no_tlsv1.2'] }, /^$/],
    [['rsa'], { clientCertificate: 'required', caFile: fixture('ca.crt') }, /^$/],
    [
      ['ec'],
      { ciphers: 'ECDHE-RSA-AES128-GCM-SHA256', options: ['no_tlsv1.3'] },
      /ec\.crt': no cipher of 'ECDHE-RSA-AES128-GCM-SHA256' goes with its key \(ec\) in TLS 1\.2 \(no shared cipher\)$/,
    ],
    [['ec'], { ciphers: 'ECDHE-RSA-AES128-GCM-SHA256' }, / \(no shared cipher; ssl_option no_tlsv1\.2 does without\)$/],
    // No parameters for it.
    [['rsa'], { ciphers: 'DHE-RSA-AES128-GCM-SHA256' }, /no cipher of/],
    [['ec'], { ciphers: 'aNULL:eNULL' }, /no cipher of 'aNULL:eNULL'/],
    [['ec'], { ciphers: 'aNULL:eNULL:@SECLEVEL=0' }, /no cipher of/],
    [['ec'], { sniPath: fixture('names'), ciphers: 'ECDHE-RSA-AES128-GCM-SHA256' }, /ec\.crt'/],
  ];
  for (const [names, settings, want] of rows) {
    assert.match(load(names, settings), want, `${names} ${JSON.stringify(settings)}`);
  }
  assert.deepEqual([liveContexts, liveSessions], [0, 0]);
});
