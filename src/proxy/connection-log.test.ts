import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ipEndpoint, parseIp } from '../core/address.js';
import { defaultSettings, type LogFormat, type Settings } from '../core/configuration.js';
import { LineBuffer } from '../weblog/line-buffer.js';
import { linesOf } from '../weblog/log-format.js';
import { LogRing } from '../weblog/log-ring.js';
import type { Ending } from '../weblog/record.js';
import { ConnectionLog } from './connection-log.js';
import { ConnectionTable, STATE } from './connection-table.js';

const server = ipEndpoint(parseIp('10.0.0.1') ?? [0, 0, 0, 0], 80);
const OK = 'HTTP/1.1 200 OK\r\n\r\n';

function stage(format: LogFormat) {
  const memory = LogRing.allocate(new SharedArrayBuffer(4), 1 << 14);
  const table = new ConnectionTable(ConnectionTable.allocate());
  const log = new ConnectionLog(new LogRing(memory), table, false);
  const settings: Settings = { ...defaultSettings, log: { text: 'x', endpoint: undefined }, logFormat: format };
  log.configure(settings, 0);
  const row = table.allocate(STATE.relaying);
  table.peer.set(parseIp('203.0.113.9') ?? [], row * 4);
  table.peerPort[row] = 50_000;
  table.server[row] = 0;
  log.opened(row, 1000);
  log.reached(row, server, 1002);
  const bytes = (text: string) => Buffer.from(text, 'latin1');
  const reader = new LogRing(memory);
  return {
    log,
    row,
    settings,
    client: (text: string, ms = 1003) => log.clientSent(row, bytes(text), text.length, ms),
    server: (text: string, ms = 1005) => log.serverSent(row, bytes(text), text.length, ms),
    end: (how: Ending = 'client', ms = 1010) => log.ended(row, how, ms),
    /** The lines so far. */
    lines(): string[] {
      const line = new LineBuffer(Buffer.alloc(1 << 16));
      const write = linesOf(format, false);
      for (let at = reader.peek(); at >= 0; at = reader.peek()) {
        write(line, reader, at, { wallShiftMs: 0, serverPath: () => '-' });
        reader.next();
      }
      reader.commit();
      return Buffer.from(line.bytes).toString('latin1', 0, line.at).split('\n').slice(0, -1);
    },
  };
}

/** What a client sends, in buffers; undefined is the server's answer. The first lines that the log has. */
const dialogues: ReadonlyArray<readonly [string, readonly (string | undefined)[], readonly string[]]> = [
  ['a request', ['GET /a HTTP/1.1\r\nHost: x\r\n\r\n', undefined], ['GET /a HTTP/1.1']],
  [
    'requests of one connection',
    ['GET /a HTTP/1.1\r\n\r\n', undefined, 'PUT /b HTTP/1.1\r\n\r\n', undefined],
    ['GET /a HTTP/1.1', 'PUT /b HTTP/1.1'],
  ],
  ['no body', ['POST /a HTTP/1.1\r\n\r\n', 'name=value', '{"GET": 1}', undefined], ['POST /a HTTP/1.1']],
  [
    'no body that looks like a request for a while',
    ['POST /a HTTP/1.1\r\n\r\n', 'GET /nonsense\r\n', 'DROP TABLE x;\n', undefined, 'GET /b HTTP/1.0\n'],
    ['POST /a HTTP/1.1', 'GET /b HTTP/1.0'],
  ],
  [
    'nothing that only begins like a request',
    ['GET /a HTTP/1.1\r\n\r\n', undefined, 'SET x\r\n', 'GET /b HTTP/1.0\n'],
    ['GET /a HTTP/1.1', 'GET /b HTTP/1.0'],
  ],
  ['a line in pieces', ['GE', 'T /a HT', 'TP/1.0\r', '\nHost: x\r\n'], ['GET /a HTTP/1.0']],
  ['empty lines before', ['\r\n', '\n\r\nGET /a HTTP/1.0\n\n'], ['GET /a HTTP/1.0']],
  [
    'what is not HTTP, once',
    ['EHLO me\r\n', undefined, 'MAIL FROM:<a@b>\r\n', undefined, 'GET / HTTP/1.0\r\n'],
    ['EHLO me'],
  ],
  ['a line that never ends, when the server speaks', ['*1', undefined, 'more'], ['*1']],
  ['a line that never ends, when the connection does', ['PING'], ['PING']],
  ['100 bytes and no more', [`GET /${'a'.repeat(200)} HTTP/1.1\r\n\r\n`], [`GET /${'a'.repeat(95)}`]],
  ['exactly 100 bytes', [`GET /${'a'.repeat(86)} HTTP/1.1\r\n\r\n`], [`GET /${'a'.repeat(86)} HTTP/1.1`]],
  ['HTTP/0.9 as what it is', ['GET /\r\n', undefined], ['GET /']],
  ['nothing for silence', [], ['-']],
];

for (const [name, dialogue, want] of dialogues) {
  test(`\`ConnectionLog\` keeps ${name}`, () => {
    const { client, server: answer, end, lines } = stage('pen');
    for (const part of dialogue) part === undefined ? answer(OK) : client(part);
    end();
    assert.deepEqual(
      lines().map((line) => line.replace(/^203\.0\.113\.9 1 10\.0\.0\.1 /, '')),
      want,
    );
  });
}

test('`ConnectionLog` finds the same line wherever it is split', () => {
  const text = 'GET /split?x=1 HTTP/1.1\r\nHost: GET / HTTP/1.1\r\n\r\n';
  for (let at = 1; at < text.length; at++) {
    const { client, server: answer, end, lines } = stage('pen');
    client(text.slice(0, at));
    client(text.slice(at));
    answer(OK);
    end();
    assert.deepEqual(lines(), ['203.0.113.9 1 10.0.0.1 GET /split?x=1 HTTP/1.1'], `split at ${at}`);
  }
});

test('`ConnectionLog` tells of a request before its answer with `pen`, after it otherwise', () => {
  const early = stage('pen');
  early.client('GET /a HTTP/1.1\r\n\r\n');
  assert.equal(early.lines().length, 1);

  const late = stage('json');
  late.client('GET /a HTTP/1.1\r\n\r\n', 1003);
  late.server('HTTP/1.1 100 Continue\r\n\r\n', 1004);
  late.server('HTTP/1.1 404 Not Found\r\n\r\n', 1005);
  late.server('more', 1007);
  assert.equal(late.lines().length, 0);
  late.client('GET /b HTTP/1.1\r\n\r\n', 1100);
  late.end('server', 1200);
  const [first, second, whole] = late.lines().map((line) => JSON.parse(line));
  assert.deepEqual(
    [first.request, first.status, first.bytes_up, first.bytes_down, first.ms],
    ['GET /a HTTP/1.1', 404, 19, 55, 4],
  );
  assert.deepEqual([second.request, second.status, second.bytes_down, second.ms], ['GET /b HTTP/1.1', null, 0, 0]);
  assert.deepEqual(
    [whole.type, whole.requests, whole.bytes_up, whole.bytes_down, whole.ms, whole.connect_ms, whole.end],
    ['connection', 2, 38, 55, 200, 2, 'server'],
  );
});

test('`ConnectionLog` counts a connection that was there before logging began from then on', () => {
  const { log, row, settings, client, end, lines } = stage('json');
  log.configure({ ...settings, log: undefined }, 2000);
  assert.equal(log.isOn, false);
  log.configure(settings, 3000);
  client('hello\n', 3001);
  end('idle', 3500);
  const [line] = lines().map((text) => JSON.parse(text));
  assert.deepEqual([line.first_line, line.bytes_up, line.ms, line.end], ['hello', 6, 500, 'idle']);
  assert.equal(row, 0);
});

test('`ConnectionLog` drops records, and counts them, when nobody takes them', () => {
  const memory = LogRing.allocate(new SharedArrayBuffer(4), 64);
  const table = new ConnectionTable(ConnectionTable.allocate());
  const log = new ConnectionLog(new LogRing(memory), table, false);
  log.configure({ ...defaultSettings, log: { text: 'x', endpoint: undefined } }, 0);
  const row = table.allocate(STATE.relaying);
  for (let i = 0; i < 10; i++) {
    log.opened(row, 0);
    log.ended(row, 'client', 1);
  }
  assert.equal(new LogRing(memory).lost, 8);
});
