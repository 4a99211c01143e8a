import assert from 'node:assert/strict';
import { test } from 'node:test';
import { decodeTlsFacts, encodeTlsFacts, tlsJson, tlsUser } from './tls-facts.js';

const facts = {
  version: 'TLSv1.3',
  cipher: 'TLS_AES_128_GCM_SHA256',
  serverName: 'www.example.com',
  alpn: '',
  clientName: 'CN=Zoë "Z" [1],O=Example',
  clientCommonName: 'Zoë "Z" [1]',
};

test('`decodeTlsFacts` gives what `encodeTlsFacts` was given', () => {
  assert.deepEqual(decodeTlsFacts(encodeTlsFacts(facts)), facts);
});

test('`encodeTlsFacts` stays below 2 kB and in one field each, whatever strangers call themselves', () => {
  const long = '\n\x1b[2J€'.repeat(1000);
  const hostile = { ...facts, serverName: long, alpn: long, clientName: long, clientCommonName: long };
  const bytes = encodeTlsFacts(hostile);
  assert.ok(bytes.length < 2048, `${bytes.length}`);
  const { version, cipher, serverName } = decodeTlsFacts(bytes);
  assert.deepEqual([version, cipher, serverName.length], [facts.version, facts.cipher, 255]);
  assert.match(tlsJson(decodeTlsFacts(bytes)), /^[ -~]+$/);
  assert.match(tlsUser(decodeTlsFacts(bytes)), /^[!-~]+$/);
});

test('`tlsJson` is printable ASCII and means the same, without what does not apply', () => {
  const text = tlsJson(facts);
  assert.match(text, /^[ -~]+$/);
  assert.deepEqual(JSON.parse(text), {
    version: facts.version,
    cipher: facts.cipher,
    server_name: facts.serverName,
    client: facts.clientName,
  });
});

test('`tlsUser` is one field without quotes or brackets, - for nobody', () => {
  assert.equal(tlsUser(facts), 'Zo___Z___1_');
  assert.equal(tlsUser({ ...facts, clientCommonName: '' }), 'CN=Zo___Z___1_,O=Example');
  assert.equal(tlsUser({ ...facts, clientCommonName: '', clientName: '' }), '-');
});
