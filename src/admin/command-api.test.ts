/** The commands of penctl over HTTP. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { isDeepStrictEqual } from 'node:util';
import { commands } from '../control/language.js';
import { admin, ask, post } from './admin.suite.js';
import { MAX_BODY_BYTES } from './body.js';
import { openApiDocument } from './openapi.js';

test('every command of penctl can be given over HTTP, with the reply that penctl gets', async (t) => {
  const { port, service } = await admin(t);
  assert.deepEqual(JSON.parse((await post(port, 'blacklist', { arguments: [7] })).text), { reply: '7\n' });
  assert.deepEqual(JSON.parse((await post(port, 'server', { arguments: [1, 'weight', '9'] })).text), { reply: '' });
  assert.equal(service.setup.configuration.servers[1]?.weight, 9);
  assert.deepEqual((await post(port, 'hash', {})).status, 200);
  assert.deepEqual((await post(port, 'no-hash', {})).status, 200);
  assert.equal(service.setup.configuration.settings.hash, false);
  const { data } = JSON.parse((await post(port, 'servers', {})).text);
  assert.equal(data[1].weight, 9);
  const document = openApiDocument() as { paths: Record<string, unknown> };
  for (const { name, section } of commands) {
    const path = `/api/v1/commands/${name.replaceAll(' ', '-')}`;
    assert.equal(path in document.paths, section !== 'Later', path);
  }
});

test('docs/openapi.json is what the table of commands gives', () => {
  const file = new URL('../../../docs/openapi.json', import.meta.url);
  // A difference of 7,000 lines would hide what to do.
  const isCurrent = isDeepStrictEqual(JSON.parse(readFileSync(file, 'utf8')), openApiDocument());
  assert(isCurrent, 'docs/openapi.json is out of date (npm run build && node scripts/openapi.js)');
});

test('by GET nothing is done, also not by a command that can be read', async (t) => {
  const { port } = await admin(t);
  const { status, text } = await ask(port, '/api/v1/dsr?argument=detach');
  assert.deepEqual(
    [status, JSON.parse(text)],
    [400, { error: 'by GET there is only something to see (POST /api/v1/commands/dsr)' }],
  );
  assert.match((await ask(port, '/api/v1/dsr')).text, /pen does not return directly/);
});

type WrongRequest = readonly [name: string, command: string, body: unknown, status: number, error: RegExp];

const wrongRequests: readonly WrongRequest[] = [
  ['an unknown command', 'format', {}, 404, /no such command/],
  ['a command of later', 'ascii', {}, 404, /no such command/],
  ['a wrong argument', 'server', { arguments: [0, 'weight', 'x'] }, 400, /^server: expected a number/],
  ['two words in one', 'server', { arguments: ['0 weight 5'] }, 400, /one word/],
  ['a line break', 'blacklist', { arguments: ['5\nexit'] }, 400, /one word/],
  ['a comment', 'blacklist', { arguments: ['#'] }, 400, /one word/],
  ['an object as argument', 'blacklist', { arguments: [{}] }, 400, /a word or a number/],
  ['arguments that are no list', 'blacklist', { arguments: 5 }, 400, /a list/],
  ['something else', 'blacklist', { argument: [5] }, 400, /nothing else/],
  ['no object', 'blacklist', [], 200, /^$/],
  ['null', 'blacklist', 'null', 400, /expected an object/],
  ['no JSON', 'blacklist', '{', 400, /no JSON/],
  ['too much', 'blacklist', 'x'.repeat(MAX_BODY_BYTES + 1), 413, /longer than/],
  ['a file over TCP', 'write', { arguments: ['/tmp/pen-must-not-be'] }, 400, /not allowed over TCP/],
];

for (const [name, command, body, status, error] of wrongRequests) {
  test(`the API refuses ${name} and changes nothing`, async (t) => {
    const { port, service } = await admin(t);
    const before = service.setup;
    const answer = await post(port, command, body);
    assert.equal(answer.status, status, answer.text);
    assert.match(JSON.parse(answer.text).error ?? '', error);
    assert.equal(service.setup, before);
  });
}

test('the API refuses wrong methods and types', async (t) => {
  const { port } = await admin(t);
  const got = await ask(port, '/api/v1/commands/blacklist');
  assert.deepEqual([got.status, got.headers.allow], [405, 'POST']);
  assert.equal((await ask(port, '/api/v1/servers', { method: 'DELETE' })).status, 405);
  assert.equal((await ask(port, '/api/v1/blacklist')).status, 404);
  assert.equal((await ask(port, '/../package.json')).status, 404);
  assert.equal((await ask(port, '/%2e%2e/package.json')).status, 404);
  assert.equal((await ask(port, '/api/v1/history?seconds=99999')).status, 400);
  // What a form of another site can send.
  for (const type of ['text/plain', 'application/x-www-form-urlencoded', 'multipart/form-data']) {
    assert.equal((await post(port, 'blacklist', { arguments: [1] }, { 'content-type': type })).status, 415, type);
  }
});
