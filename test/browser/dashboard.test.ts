/** The dashboard in a real browser: what it shows, what can be done there, for whom it is readable. */
import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { test } from 'node:test';
import type { Page } from 'playwright-core';
import { AdminServer } from '../../src/admin/admin-server.js';
import { startedService } from '../../src/control/control.suite.js';
import { formatEndpoint } from '../../src/core/address.js';
import { backend } from '../support/backend.js';
import { browser, needsBrowser, openPage } from '../support/browser.js';
import { get } from '../support/client.js';
import { atEnd, type Scene } from '../support/ending.js';
import { pen } from '../support/pen.js';
import { scratch } from '../support/scratch.js';
import { until, within } from '../support/wait.js';

const axe = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');

/** What axe complains of, with the elements. */
const LOOK =
  'axe.run().then(({ violations }) => violations.map(({ id, nodes }) => [id, ...nodes.map(({ html }) => html)].join(" ")))';

/** Time in which the page shows what has happened. */
const PROMPTLY_MS = 2_000;

/** Pen with two servers and a stream of requests, and the address of its dashboard. */
async function scene(t: Scene, options: readonly string[] = []) {
  const servers = [await backend(t), await backend(t)] as const;
  const balancer = await pen(t, { servers, options: ['-r', '-b', '1', '-O', 'admin 0', ...options] });
  let isOver = false;
  const visitor = (async () => {
    while (!isOver) {
      await get(balancer.port).catch(() => {});
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
  })();
  atEnd(t, async () => {
    isOver = true;
    await visitor;
  });
  return { servers, balancer, address: `http://${await balancer.ask('admin')}/` };
}

const stateOf = (page: Page, server: number) => page.locator('#server-rows tr').nth(server).locator('.pill');

async function hasState(page: Page, server: number, state: string): Promise<void> {
  await stateOf(page, server)
    .and(page.locator(`[data-state=${state}]`))
    .waitFor();
}

test('the page shows a server dying and coming back within 2 s', needsBrowser, async (t) => {
  const { servers, address } = await scene(t, ['-b', '30']);
  const page = await openPage(t, await browser(t), address);
  await hasState(page, 1, 'up');
  await servers[1].kill();
  await within('the dead server on the page', hasState(page, 1, 'blacklisted'), PROMPTLY_MS);
  await page.locator('#events li[data-mood=bad]').filter({ hasText: 'ECONNREFUSED' }).waitFor();
  await servers[1].revive();
  await page.getByRole('button', { name: 'Clear server 1' }).click();
  await page.locator('#confirm-ok').click();
  await within('the living server on the page', hasState(page, 1, 'up'), PROMPTLY_MS);
  await page
    .locator('#events li[data-mood=good]')
    .filter({ hasText: 'server 1' })
    .filter({ hasText: 'back' })
    .waitFor();
});

test('drain, blacklist and weight work by click, and only when confirmed', needsBrowser, async (t) => {
  const { balancer, address } = await scene(t);
  const page = await openPage(t, await browser(t), address);
  const press = (name: string) => page.getByRole('button', { name, exact: true }).click();
  await press('Drain server 0');
  await press('Cancel');
  assert.match(await balancer.ask('explain'), /server 0 .* takes it/);
  await press('Drain server 0');
  await page.locator('#confirm-ok').click();
  await hasState(page, 0, 'draining');
  assert.match(await balancer.ask('explain'), /server 0 .* draining/);
  await press('Undrain server 0');
  await page.locator('#confirm-ok').click();
  await hasState(page, 0, 'up');

  await press('Blacklist server 1');
  await page.locator('#confirm-value').fill('300');
  await page.locator('#confirm-ok').click();
  await hasState(page, 1, 'blacklisted');
  assert.match(await balancer.ask('explain'), /server 1 .* blacklisted for (300|29\d) s/);

  await press('Weight server 0');
  await page.locator('#confirm-value').fill('17');
  await page.keyboard.press('Enter');
  await page.locator('#server-rows tr').nth(0).locator('[data-label=Weight]').getByText('17').waitFor();
  assert.match(await balancer.ask('servers'), /^0 .* weight 17 /);
});

test('the keyboard is enough', needsBrowser, async (t) => {
  const { balancer, address } = await scene(t);
  const page = await openPage(t, await browser(t), address);
  await hasState(page, 0, 'up');
  await page.keyboard.press('Tab');
  assert.equal(await page.evaluate('document.activeElement.textContent'), 'To the servers');
  const focused = () => page.evaluate("document.activeElement.getAttribute('aria-label')");
  for (let tabs = 0; (await focused()) !== 'Drain server 1'; tabs++) {
    assert(tabs < 40, 'the button is not reached');
    await page.keyboard.press('Tab');
  }
  // A frame that comes meanwhile takes the focus from nobody.
  const facts = await page.textContent('#facts');
  await until('the next frame', async () => (await page.textContent('#facts')) !== facts);
  assert.equal(await focused(), 'Drain server 1');
  await page.keyboard.press('Enter');
  await page.locator('#confirm[open]').waitFor();
  await page.keyboard.press('Escape');
  await page.locator('#confirm:not([open])').waitFor({ state: 'attached' });
  assert.equal(await focused(), 'Drain server 1');
  await page.keyboard.press('Enter');
  await page.locator('#confirm[open]').waitFor();
  for (let tabs = 0; (await page.evaluate('document.activeElement.id')) !== 'confirm-ok'; tabs++) {
    assert(tabs < 5, 'the dialog has no way to its button');
    await page.keyboard.press('Tab');
  }
  await page.keyboard.press('Enter');
  await hasState(page, 1, 'draining');
  assert.match(await balancer.ask('explain'), /server 1 .* draining/);

  await page.locator('#tab-clients').focus();
  await page.keyboard.press('ArrowRight');
  assert.equal(await page.getAttribute('#tab-connections', 'aria-selected'), 'true');
  assert.equal(await page.evaluate('document.activeElement.id'), 'tab-connections');
});

test('clients and connections are listed and searched', needsBrowser, async (t) => {
  const { balancer, address } = await scene(t);
  for (const from of ['127.3.2.1', '127.44.5.6']) await get(balancer.port, { from });
  const page = await openPage(t, await browser(t), address);
  await page.locator('#who-rows').getByText('127.3.2.1').waitFor();
  await page.locator('#search').fill('44.5');
  await page.locator('#who-rows').getByText('127.3.2.1').waitFor({ state: 'detached' });
  assert.equal(await page.locator('#who-rows tr').count(), 1);
  await page.locator('#search').fill('<img src=x>');
  await page.locator('#search').fill('<img/src=x>');
  await page.getByText('No clients with an address like that.').waitFor();
  await page.locator('#search').fill('');
  await page.locator('#tab-connections').click();
  await page.locator('#who-head').getByText('From').waitFor();
});

for (const scheme of ['light', 'dark'] as const) {
  for (const [name, width] of [
    ['a desktop', 1280],
    ['a phone', 390],
  ] as const) {
    test(`${name} in ${scheme}: nothing overflows, contrast and labels are good`, needsBrowser, async (t) => {
      const { servers, address } = await scene(t);
      const viewport = { width, height: 844 };
      const page = await openPage(t, await browser(t), address, { colorScheme: scheme, viewport, bypassCSP: true });
      await servers[1].kill();
      await hasState(page, 1, 'blacklisted');
      await page.getByRole('button', { name: 'Drain server 0' }).click();
      await page.locator('#confirm-ok').click();
      await hasState(page, 0, 'draining');
      assert.equal(await page.evaluate('document.documentElement.scrollWidth'), width);
      await page.evaluate(axe);
      const problems = () => page.evaluate(LOOK);
      assert.deepEqual(await problems(), []);
      await page.getByRole('button', { name: 'Blacklist server 0' }).click();
      assert.deepEqual(await problems(), []);
      assert.equal(await page.evaluate('document.documentElement.scrollWidth'), width);
    });
  }
}

/** In the page: whether the chart of bytes has a pixel of that colour. */
const hasPixel = `(rgb) => {
  const canvas = document.querySelector('#bytes canvas');
  const { data } = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height);
  for (let at = 0; at < data.length; at += 4)
    if (data[at + 3] === 255 && rgb.every((part, i) => data[at + i] === part)) return true;
  return false;
}`;

test('the theme can be chosen and is kept', needsBrowser, async (t) => {
  const { address } = await scene(t);
  const page = await openPage(t, await browser(t), address, { colorScheme: 'light' });
  const ground = () => page.evaluate('getComputedStyle(document.body).backgroundColor');
  const light = await ground();
  // The lines behind the chart, drawn on a canvas: #dde3e8 and #2a3540.
  const isDrawnWith = async (...rgb: number[]) =>
    until('the chart has the colours', () => page.evaluate(`(${hasPixel})(${JSON.stringify(rgb)})`));
  await isDrawnWith(0xdd, 0xe3, 0xe8);
  await page.getByRole('button', { name: 'Theme: auto' }).click();
  await page.getByRole('button', { name: 'Theme: light' }).click();
  const dark = await ground();
  assert.notEqual(dark, light);
  await isDrawnWith(0x2a, 0x35, 0x40);
  await page.reload();
  await page.getByRole('button', { name: 'Theme: dark' }).waitFor();
  assert.equal(await ground(), dark);
});

test('a browser that may keep nothing shows the page all the same', needsBrowser, async (t) => {
  const { address } = await scene(t);
  const context = await (await browser(t)).newContext();
  // As Chromium does where site data is blocked.
  await context.addInitScript(`for (const area of ['localStorage', 'sessionStorage'])
    Object.defineProperty(window, area, { get() { throw new DOMException('denied', 'SecurityError'); } });`);
  const page = await context.newPage();
  await page.goto(address);
  await hasState(page, 0, 'up');
  await page.getByRole('button', { name: 'Theme: auto' }).click();
  await page.getByRole('button', { name: 'Theme: light' }).waitFor();
});

test('the buttons of all servers are equally wide, whatever they say', needsBrowser, async (t) => {
  const { balancer, address } = await scene(t);
  const page = await openPage(t, await browser(t), address);
  await balancer.ask('drain 0');
  await balancer.ask('server 1 blacklist 300');
  await hasState(page, 0, 'draining');
  await hasState(page, 1, 'blacklisted');
  const buttons = page.locator('.actions button');
  const widths = await buttons.evaluateAll((all) => all.map((one) => one.getBoundingClientRect().width));
  assert.equal(widths.length, 6);
  assert.equal(new Set(widths).size, 1, widths.join());
});

test('the page asks for the token, keeps it for the tab and says when it is wrong', needsBrowser, async (t) => {
  const token = join(scratch(t), 'token');
  writeFileSync(token, 'the-right-token-of-pen');
  const { address } = await scene(t, ['-O', `admin_token ${token}`]);
  // A browser logs answers of 401 as errors, as it should.
  const from = await browser(t);
  const page = await (await from.newContext()).newPage();
  await page.goto(address);
  await page.locator('#token').fill('a-wrong-token-of-pen');
  await page.keyboard.press('Enter');
  await page.getByText('That is not it.').waitFor();
  await page.locator('#token').fill('the-right-token-of-pen');
  await page.keyboard.press('Enter');
  await hasState(page, 0, 'up');
  await page.reload();
  await hasState(page, 0, 'up');
  assert.equal(await page.locator('#login').isVisible(), false);
});

test('the page says when pen does not answer, and goes on when it does again', needsBrowser, async (t) => {
  const { balancer, address } = await scene(t);
  const from = await browser(t);
  const page = await (await from.newContext()).newPage();
  await page.goto(address);
  await page.locator('.pulse[data-state=live]').waitFor();
  const { port } = new URL(address);
  await balancer.ask('no admin');
  await page.locator('.pulse[data-state=lost]').waitFor();
  await until('the port is free', async () => (await balancer.ask(`admin ${port}`)).endsWith(port));
  await page.locator('.pulse[data-state=live]').waitFor();
});

test('the page says why it is refused, if pen has told', needsBrowser, async (t) => {
  const { address } = await scene(t);
  const end = new AbortController();
  t.after(() => end.abort());
  for (let n = 0; n < 16; n++) assert.equal((await fetch(`${address}api/v1/live`, end)).status, 200);
  const page = await (await (await browser(t)).newContext()).newPage();
  await page.goto(address);
  await page.locator('.pulse[data-state=lost]').getByText('too many are looking already').waitFor();
  end.abort();
  await page.locator('.pulse[data-state=live]').getByText('live').waitFor();
});

test('an event of another day says which', needsBrowser, async (t) => {
  const { address } = await scene(t);
  const page = await (await (await browser(t)).newContext({ timezoneId: 'Europe/Paris' })).newPage();
  await page.clock.setFixedTime(Date.now());
  await page.goto(address);
  const time = page.locator('#events time').first();
  await time.getByText(/^\d\d:\d\d:\d\d$/).waitFor();
  await page.clock.setFixedTime(Date.now() + 48 * 3_600_000);
  await time.getByText(/^\d{1,2} [A-Z][a-z]{2,3} \d\d:\d\d:\d\d$/).waitFor();
});

test('of many servers a hundred are shown, those in trouble first, and others are found', needsBrowser, async (t) => {
  const { balancer, address } = await scene(t);
  const file = join(scratch(t), 'many');
  const lines = Array.from({ length: 300 }, (_, n) => `server ${n + 2} address 127.9.0.${n % 250} port ${n + 1}`);
  writeFileSync(file, `${lines.join('\n')}\nserver 255 blacklist 600\n`);
  await balancer.ask(`include ${file}`);
  const page = await openPage(t, await browser(t), address);
  const rows = page.locator('#server-rows tr');
  await page.getByText('100 of 302 are shown').waitFor();
  assert.equal(await rows.count(), 100);
  await page.locator('#servers-search').fill('127.9.0.3:254');
  await until('the search', async () => (await rows.count()) === 1);
  assert.match((await rows.textContent()) ?? '', /255.*blacklisted/);
  await page.locator('#servers-search').fill('nobody');
  await page.getByText('No server like that.').waitFor();
});

test('what looks like markup is text', needsBrowser, async (t) => {
  const { balancer, address } = await scene(t);
  const path = '/tmp/<img/src=x/onerror=alert(1)>';
  await balancer.ask(`server 2 address ${path}`);
  const page = await openPage(t, await browser(t), address);
  await page.locator('#server-rows').getByText(path).waitFor();
  await page.locator('#events').getByText(path).first().waitFor();
  assert.equal(await page.locator('main img').count(), 0);
});

test('direct server return: who answers, what it is sent, what was dropped', needsBrowser, async (t) => {
  const { service, plane, clock } = await startedService(
    t,
    { commands: [{ option: '-O', line: 'admin 0' }] },
    { openAdmin: (endpoint, about) => AdminServer.listen(endpoint, about) },
  );
  let packets = 0;
  const real = (server: number, mac: string) => ({
    ...{ server, address: [0, 0, 0xffff, 0x7f000001] as const, mac, state: mac ? 'in-service' : 'silent' },
    ...{ slots: mac ? 65_537 : 0, packets: mac ? packets : 0, bytes: packets * 60, flows: 5 },
  });
  const reals = () => [real(0, '02:00:00:00:00:01'), real(1, '')];
  const drops = () => [['noServer', packets]] as const;
  Object.assign(plane, {
    engine: 'xdp',
    drops,
    frames: { reals, vips: () => [], describe: async () => '', explain: () => '' },
  });
  const growing = setInterval(() => {
    packets += 1000;
    clock.monotonicMs += 20;
    clock.wallMs += 20;
  }, 20);
  atEnd(t, () => clearInterval(growing));
  assert(service.adminEndpoint);
  const page = await openPage(t, await browser(t), `http://${formatEndpoint(service.adminEndpoint)}/`);
  const rows = page.locator('#frames-rows tr');
  await rows.nth(0).getByText('02:00:00:00:00:01').waitFor();
  await rows.nth(0).getByText('65.5 k (100 %)').waitFor();
  await rows.nth(1).getByText('no answer').waitFor();
  await hasState(page, 1, 'silent');
  await page.locator('#losses').getByText('dropped: noServer').waitFor();
  const perSecond = async () => (await rows.nth(0).locator('td').nth(3).textContent()) ?? '';
  await until('packets a second', async () => (await perSecond()) === '50.0 k');
});
