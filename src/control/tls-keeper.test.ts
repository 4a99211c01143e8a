import assert from 'node:assert/strict';
import { X509Certificate } from 'node:crypto';
import { chmodSync, copyFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { fixture, pem } from '../../test/support/certificates.js';
import { ocspResponse } from '../../test/support/ocsp-response.js';
import { scratch } from '../../test/support/scratch.js';
import { until } from '../../test/support/wait.js';
import { defaultTlsSettings } from '../tls/settings.js';
import { TlsKeeper } from './tls-keeper.js';

const NOW = Date.UTC(2027, 0, 1);
const DAY = 86_400_000;
const NAME = 'one.example';
const serialOf = (name: string) => new X509Certificate(pem(`${name}.crt`)).serialNumber;

/** A keeper of `ec` and of a directory with one name, which looks at files often. */
function scene(t: TestContext, settings = {}) {
  const folder = scratch(t);
  for (const kind of ['crt', 'key']) copyFileSync(fixture(`names/${NAME}.${kind}`), join(folder, `${NAME}.${kind}`));
  const clock = { nowMs: NOW };
  const lines: string[] = [];
  let changes = 0;
  const keeper: TlsKeeper = new TlsKeeper({
    events: { changed: () => void changes++, staleStaples: () => void lines.push(...keeper.restaple()) },
    wallMs: () => clock.nowMs,
    watchMs: 5,
  });
  const all = {
    ...defaultTlsSettings,
    certificates: [fixture('ec.crt')],
    keys: [fixture('ec.key')],
    sniPath: folder,
    ...settings,
  };
  const again = (): void => {
    keeper.adopt(all, keeper.load(all, [], { nowMs: NOW, engine: 'node' }));
    keeper.start();
  };
  again();
  t.after(() => keeper.stop());
  const staple = () => keeper.inForce.loaded.plan?.server?.names.get(NAME)?.credentials[0]?.ocsp;
  const isReported = () => keeper.inForce.loaded.certificates.find(({ name }) => name === NAME)?.hasStaple;
  return {
    keeper,
    again,
    clock,
    lines,
    file: join(folder, `${NAME}.ocsp`),
    folder,
    staple,
    isReported,
    changes: () => changes,
  };
}

test('a response that comes beside a certificate is stapled, and so is the next', async (t) => {
  const { file, staple, isReported, lines, folder, keeper } = scene(t);
  assert.equal(staple(), undefined);
  const { tickets } = keeper.inForce;
  // As after privileges were dropped.
  rmSync(join(folder, `${NAME}.key`));
  for (const days of [1, 2]) {
    const response = ocspResponse({ serial: serialOf(`names/${NAME}`), nextUpdate: new Date(NOW + days * DAY) });
    writeFileSync(file, response);
    await until('it is stapled', () => staple() !== undefined && response.equals(staple() as Uint8Array));
    assert.equal(isReported(), true);
    assert.equal(lines.at(-1), `OCSP response '${file}' read again`);
  }
  assert.equal(keeper.inForce.tickets, tickets, 'sessions can still be resumed');
});

test('ticket keys are turned however often certificates are read again', async (t) => {
  const { keeper, again } = scene(t, { ticketSec: 1 });
  const [first] = keeper.inForce.tickets;
  await until('there is another', () => {
    again();
    return keeper.inForce.tickets[0] !== first;
  });
  assert.equal(keeper.inForce.tickets[1], first);
});

test('a response that goes out of date is stapled no more', async (t) => {
  const { file, staple, isReported, clock, lines } = scene(t);
  writeFileSync(file, ocspResponse({ serial: serialOf(`names/${NAME}`), nextUpdate: new Date(NOW + DAY) }));
  await until('it is stapled', () => staple() !== undefined);
  clock.nowMs += 2 * DAY;
  await until('it is not', () => staple() === undefined);
  assert.equal(isReported(), false);
  assert.match(lines.at(-1) as string, /is out of date since 2027-01-02 and not stapled$/);
});

test('what is foreign, broken or gone leaves the response before it', async (t) => {
  const { file, staple, lines, changes } = scene(t);
  writeFileSync(file, ocspResponse({ serial: serialOf(`names/${NAME}`), nextUpdate: new Date(NOW + DAY) }));
  await until('it is stapled', () => staple() !== undefined);
  const before = staple();
  const bad: [Uint8Array, RegExp][] = [
    [ocspResponse({ serial: serialOf('rsa') }), /old OCSP response kept: .* about another certificate/],
    [Buffer.from('nothing'), /old OCSP response kept: .* not an OCSP response/],
  ];
  for (const [bytes, line] of bad) {
    writeFileSync(file, bytes);
    await until(String(line), () => line.test(lines.at(-1) as string));
    assert.equal(staple(), before);
  }
  const told = lines.length;
  rmSync(file);
  // It cannot even be looked at: as in a folder that is closed since privileges were dropped.
  symlinkSync(file, file);
  const seen = changes();
  await new Promise((resolve) => setTimeout(resolve, 50));
  assert.deepEqual([staple(), lines.length, changes()], [before, told, seen]);
});

test('a response that says anything but good is not stapled', async (t) => {
  const { file, staple, lines } = scene(t);
  for (const status of ['revoked', 'unknown'] as const) {
    const serial = serialOf(`names/${NAME}`);
    writeFileSync(file, ocspResponse({ serial, status, nextUpdate: new Date(NOW + DAY) }));
    await until(status, () => lines.at(-1) === `OCSP response '${file}' says '${status}' and is not stapled`);
    assert.equal(staple(), undefined);
  }
});

test('the response of ssl_ocsp_response is given to the certificate that it is about', async (t) => {
  const folder = scratch(t);
  const file = join(folder, 'now.ocsp');
  copyFileSync(fixture('ec.ocsp'), file);
  const { keeper } = scene(t, {
    certificates: [fixture('rsa.crt'), fixture('ec.crt')],
    keys: [fixture('rsa.key'), fixture('ec.key')],
    ocspResponse: file,
  });
  const staples = () => keeper.inForce.loaded.plan?.server?.identity.credentials.map(({ ocsp }) => ocsp !== undefined);
  assert.deepEqual(staples(), [false, true]);
  chmodSync(file, 0o600);
  writeFileSync(file, ocspResponse({ serial: serialOf('rsa') }));
  await until('the other has it', () => staples()?.[0] === true);
  assert.deepEqual(staples(), [true, false]);
  assert.deepEqual(
    keeper.inForce.loaded.certificates.map(({ hasStaple }) => hasStaple),
    [true, false, false],
  );
});
