/** Chromium from the system's packages: a page that fails the test on any error, and on any request to another host. */
import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { type Browser, type BrowserContextOptions, chromium, type Page } from 'playwright-core';
import { atEnd, type Scene } from './ending.js';

const CHROMIUM = '/usr/bin/chromium';

/** For a test's options: skips it where there is no browser. */
export const needsBrowser = { skip: !existsSync(CHROMIUM) && 'no /usr/bin/chromium here (Debian: chromium)' };

/** Nothing of Chromium's own goes to the network; as root it needs --no-sandbox. */
const FLAGS = [
  '--no-sandbox',
  '--disable-gpu',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
];

export async function browser(t: Scene): Promise<Browser> {
  const started = await chromium.launch({ executablePath: CHROMIUM, args: FLAGS });
  atEnd(t, () => started.close());
  return started;
}

/** An open page; when the test ends it must have had no error and asked no other host. */
export async function openPage(
  t: Scene,
  from: Browser,
  address: string,
  options: BrowserContextOptions = {},
): Promise<Page> {
  const page = await (await from.newContext(options)).newPage();
  const complaints: string[] = [];
  page.on('console', (message) => {
    if (message.type() === 'error' || message.type() === 'warning') complaints.push(message.text());
  });
  page.on('pageerror', (error) => complaints.push(String(error)));
  page.on('request', (request) => {
    if (!request.url().startsWith(address)) complaints.push(`asked ${request.url()}`);
  });
  atEnd(t, () => assert.deepEqual(complaints, []));
  await page.goto(address);
  return page;
}
