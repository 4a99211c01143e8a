/** Log lines, datagrams and first bytes that nobody meant: what is written is printable, whole, bounded, and nothing throws. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { defaultSettings, LOG_FORMATS } from '../../src/core/configuration.js';
import { ConnectionLog } from '../../src/proxy/connection-log.js';
import { ConnectionTable, STATE } from '../../src/proxy/connection-table.js';
import { LineBuffer, MAX_LINE_BYTES } from '../../src/weblog/line-buffer.js';
import { linesOf } from '../../src/weblog/log-format.js';
import { MAX_LINE_CHARACTERS, parsePenFileLine, parseWebLine } from '../../src/weblog/log-line.js';
import { LogMerger } from '../../src/weblog/log-merger.js';
import { LogRing } from '../../src/weblog/log-ring.js';

const SEED = Number(process.env.PEN_FUZZ_SEED ?? 20_260_101);
const ROUNDS = Number(process.env.PEN_FUZZ_ROUNDS ?? 4_000);

const pieces = [
  '+ ',
  '- - ',
  '"',
  '\\',
  '\\"',
  '\\x',
  '\\x2',
  '\\xg1',
  '[',
  ']',
  '\n',
  '\r',
  '\0',
  '\x1b[2J',
  '\x9b',
  '\xff',
  ' ',
  '127.0.0.1',
  '::ffff:1.2.3.4',
  '2001:db8::1',
  'GET / HTTP/1.1',
  'HTTP/1.1 200 OK',
  'a'.repeat(120),
  'b'.repeat(9000),
  '1795395291',
  '[23/Nov/2026:01:54:51 +0100]',
  '[99/Zzz/0000:99:99:99 -9999]',
  '%s%n',
  '__proto__',
  'constructor',
  '<b>',
  '9'.repeat(40),
];

function random(seed: number): (below: number) => number {
  let state = seed >>> 0;
  return (below) => {
    state = (Math.imul(state ^ (state >>> 15), 0x2c1b3c6d) + 0x6d2b79f5) >>> 0;
    return ((state ^ (state >>> 13)) % 2 ** 31) % below;
  };
}

function oddText(pick: (below: number) => number): string {
  let text = '';
  for (let left = pick(9); left > 0; left--) {
    text += pick(4) === 0 ? String.fromCharCode(pick(256)) : pieces[pick(pieces.length)];
  }
  return text;
}

test('`LogMerger` writes printable lines of bounded length, whatever datagrams come', () => {
  const pick = random(SEED);
  const written: string[] = [];
  const clock = { ms: 0 };
  const merger = new LogMerger({
    capacity: 20,
    monotonicMs: () => clock.ms,
    write: (line) => written.push(line),
    debug: (text) => assert.match(text, /^[ -~]*$/, `seed ${SEED}`),
  });
  for (let round = 0; round < ROUNDS; round++) {
    merger.take(oddText(pick), pieces[pick(pieces.length)]);
    clock.ms += pick(50);
    if (pick(10) === 0) merger.expire(clock.ms);
    parsePenFileLine(oddText(pick));
    parseWebLine(oddText(pick));
  }
  merger.flush();
  assert.ok(written.length > 0);
  for (const line of written) {
    assert.match(line, /^[ -~]*$/, `seed ${SEED}: ${JSON.stringify(line)}`);
    assert.ok(line.length <= 4 * (MAX_LINE_CHARACTERS + 64), `seed ${SEED}`);
  }
});

for (const format of LOG_FORMATS) {
  test(`a ${format} line is one printable line, whatever the two sides say and however it is cut`, () => {
    const pick = random(SEED);
    const memory = LogRing.allocate(new SharedArrayBuffer(4), 1 << 12);
    const reader = new LogRing(memory);
    const table = new ConnectionTable(ConnectionTable.allocate());
    const log = new ConnectionLog(new LogRing(memory), table, false);
    log.configure({ ...defaultSettings, log: { text: 'x', endpoint: undefined }, logFormat: format }, 0);
    const line = new LineBuffer(Buffer.alloc(1 << 16));
    const write = linesOf(format, false);
    let lines = 0;
    for (let round = 0; round < ROUNDS; round++) {
      const row = table.allocate(STATE.relaying);
      log.opened(row, round);
      for (let turns = pick(6); turns > 0; turns--) {
        const bytes = Buffer.from(oddText(pick), 'latin1');
        const cut = pick(bytes.length + 1);
        for (const part of [bytes.subarray(0, cut), bytes.subarray(cut)]) {
          if (part.length === 0) continue;
          if (pick(3) === 0) log.serverSent(row, part, part.length, round);
          else log.clientSent(row, part, part.length, round);
        }
      }
      log.ended(row, 'client', round);
      table.release(row);
      for (let at = reader.peek(); at >= 0; at = reader.peek()) {
        line.clear();
        write(line, reader, at, { wallShiftMs: 0, serverPath: () => '' });
        assert.ok(line.at <= MAX_LINE_BYTES);
        const text = Buffer.from(line.bytes).toString('latin1', 0, line.at);
        assert.match(text, /^([ -~]+\n)?$/, `seed ${SEED}, round ${round}`);
        if (format === 'json' && text !== '') JSON.parse(text);
        lines += line.lines;
        reader.next();
      }
      reader.commit();
    }
    assert.equal(reader.lost, 0);
    assert.ok(lines > ROUNDS / 2);
  });
}
