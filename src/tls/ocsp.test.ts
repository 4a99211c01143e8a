import assert from 'node:assert/strict';
import { X509Certificate } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { fixture, pem } from '../../test/support/certificates.js';
import { ocspResponse } from '../../test/support/ocsp-response.js';
import { readOcspResponse } from './ocsp.js';

const SERIAL = 'D798EAA6D7008D5A';
const TOMORROW = new Date(Date.UTC(2030, 1, 3, 4, 5, 6));

test('readOcspResponse reads what OpenSSL has written', () => {
  const { serialNumber } = new X509Certificate(pem('ec.crt'));
  const answers = readOcspResponse(readFileSync(fixture('ec.ocsp')));
  assert.ok(typeof answers !== 'string');
  assert.deepEqual(
    answers.map(({ serial, status }) => [serial, status]),
    [[serialNumber, 'good']],
  );
  assert.equal(new Date(answers[0]?.expiresMs as number).getUTCFullYear(), 2126);
});

test('readOcspResponse tells status and nextUpdate, whatever else has a time or a number', () => {
  // A responder's certificate that is valid for a hundred years, and the serial number of another within.
  const behind = new X509Certificate(pem('issuer.crt')).raw;
  for (const serial of [SERIAL, '01', '7F00']) {
    for (const status of ['good', 'revoked', 'unknown'] as const) {
      const want = [{ serial, status, expiresMs: TOMORROW.getTime() }];
      assert.deepEqual(readOcspResponse(ocspResponse({ serial, status, nextUpdate: TOMORROW, behind })), want);
      const open = readOcspResponse(ocspResponse({ serial, status, behind }));
      assert.deepEqual(open, [{ serial, status, expiresMs: Infinity }]);
    }
  }
});

test('readOcspResponse refuses what is none, cut or an error', () => {
  const whole = ocspResponse({ serial: SERIAL, nextUpdate: TOMORROW });
  for (let end = 0; end < whole.length; end++) {
    assert.equal(readOcspResponse(whole.subarray(0, end)), 'not an OCSP response (DER is expected)', `${end}`);
  }
  // tryLater
  assert.match(String(readOcspResponse(Buffer.of(0x30, 3, 0x0a, 1, 3))), /error of its sender/);
  assert.match(String(readOcspResponse(Buffer.from(pem('ec.crt')))), /not an OCSP response/);
  // Any byte harmed: another reading or a refusal, never an error of another kind.
  for (let at = 0; at < whole.length; at++) {
    for (const bits of [1, 0x80, 0xff]) {
      const harmed = Buffer.from(whole);
      harmed[at] = (harmed[at] as number) ^ bits;
      readOcspResponse(harmed);
    }
  }
});
