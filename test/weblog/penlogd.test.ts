/** penlog, penlogd and mergelogs as an operator meets them. */
import assert from 'node:assert/strict';
import { createSocket } from 'node:dgram';
import { existsSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { gzipSync } from 'node:zlib';
import { atEnd } from '../support/ending.js';
import { isAlive, run, start } from '../support/process.js';
import { scratch } from '../support/scratch.js';
import { until, within } from '../support/wait.js';
import { countLines, freeDatagramPort, penlogd } from '../support/weblog.js';

const web = (request: string) => `h - - [23/Nov/2026:00:54:51 +0000] "${request}" 200 5\n`;

test('penlogd merges lines over IPv4 and IPv6, and opens its log anew on HUP', async (t) => {
  const file = join(scratch(t), 'log');
  const daemon = await penlogd(t, file);
  const socket = createSocket('udp4');
  atEnd(t, () => new Promise<void>((resolve) => socket.close(() => resolve())));
  const send = (text: string) => socket.send(text, daemon.port, '127.0.0.1');

  send('+ 2001:db8::1 127.0.0.1 GET /1 HTTP/1.1\n');
  send(web('GET /1 HTTP/1.1'));
  await until('a line', () => countLines(file) === 1);
  renameSync(file, `${file}.1`);
  daemon.signal('SIGHUP');
  await until('a new file', () => existsSync(file));
  send('+ 192.0.2.2 127.0.0.1 GET /2 HTTP/1.1\n');
  send(web('GET /2 \x1b[31m HTTP/1.1'));
  send(web('GET /2 HTTP/1.1'));
  // The one in between waits a moment for a line of pen's that never comes.
  await until('two more lines', () => countLines(file) === 2);

  assert.match(readFileSync(`${file}.1`, 'latin1'), /^2001:db8::1 .* "GET \/1 HTTP\/1\.1" 200 5\n$/);
  assert.match(readFileSync(file, 'latin1'), /^192\.0\.2\.2 .* "GET \/2 HTTP.*\nh .* "GET \/2 \\x1b\[31m HTTP/);
});

test('penlogd goes to the background once it serves, writes its number, and ends on TERM', async (t) => {
  const folder = scratch(t);
  const [file, pidFile] = [join(folder, 'log'), join(folder, 'pid')];
  const port = await freeDatagramPort();
  const { status, stderr } = await run('penlogd', ['-l', file, '-p', pidFile, `127.0.0.1:${port}`]);
  assert.deepEqual([status, stderr], [0, '']);
  const pid = Number(readFileSync(pidFile, 'utf8'));
  atEnd(t, () => {
    if (isAlive(pid)) process.kill(pid, 'SIGKILL');
  });

  const second = await run('penlogd', ['-l', file, `127.0.0.1:${port}`]);
  assert.equal(second.status, 1);
  assert.match(second.stderr, /^penlogd: cannot listen on '127\.0\.0\.1:\d+': EADDRINUSE/);

  process.kill(pid, 'SIGTERM');
  await until('it has ended', () => !isAlive(pid));
  assert.ok(!existsSync(pidFile));
});

const wrong: ReadonlyArray<readonly [Parameters<typeof run>[0], readonly string[], RegExp, number]> = [
  ['penlogd', [], /expected one PORT/, 2],
  ['penlogd', ['10000'], /needs -l FILE/, 2],
  ['penlogd', ['-f', '-n', '0', '10000'], /-n: expected a number from 1/, 2],
  ['penlogd', ['-f', '-q', '10000'], /unknown option '-q'/, 2],
  ['penlogd', ['-f', '-l', '/nowhere/log', '0'], /cannot open log '\/nowhere\/log': ENOENT/, 1],
  ['penlogd', ['-f', '-u', 'nobody-of-that-name', '0'], /no such user/, 1],
  ['penlog', [], /^penlog: usage: penlog HOST PORT/, 2],
  ['penlog', ['127.0.0.1', 'no-such-service'], /unknown service 'no-such-service'/, 1],
  ['penlog', ['127.0.0.1', '1', '::1'], /not of the same family/, 2],
  ['mergelogs', ['a:b'], /expected -p PENLOG/, 2],
  ['mergelogs', ['-p', '/nowhere/log', '1.2.3.4:/dev/null'], /cannot read '\/nowhere\/log': ENOENT/, 1],
  ['mergelogs', ['-p', '/dev/null', 'nocolon'], /is not SERVER:FILE/, 2],
  ['mergelogs', ['-p', '/dev/null', '-j', 'x', 'a:b'], /-j: expected a number/, 2],
];

for (const [program, args, message, status] of wrong) {
  test(`${program} ${args.join(' ')}: one line, status ${status}`, async () => {
    const outcome = await run(program, args);
    assert.match(outcome.stderr, message);
    assert.match(outcome.stderr, new RegExp(`^${program}: [^\\n]*\\n$`));
    assert.equal(outcome.status, status);
  });
}

for (const program of ['penlog', 'penlogd', 'mergelogs'] as const) {
  test(`${program} --help and --version`, async () => {
    assert.match((await run(program, ['--help'])).stdout, new RegExp(`^usage: ${program} `));
    assert.match((await run(program, ['--version'])).stdout, new RegExp(`^${program} \\d+\\.`));
  });
}

test('penlog sends each line of its input from the address it is told, the last one too', async (t) => {
  const socket = createSocket('udp4');
  atEnd(t, () => new Promise<void>((resolve) => socket.close(() => resolve())));
  await new Promise<void>((resolve) => socket.bind(0, '127.0.0.1', resolve));
  const got: string[] = [];
  socket.on('message', (message, from) => got.push(`${from.address} ${message.toString('latin1')}`));
  const { child, ended } = start('penlog', ['127.0.0.1', String(socket.address().port), '127.0.0.5'], {
    stdio: ['pipe', 'pipe', 'pipe'],
  });
  child.stdin?.end(Buffer.from(`one\n\n\xff\x00\nlong ${'x'.repeat(9000)}\nlast`, 'latin1'));
  assert.equal((await within('end of penlog', ended)).status, 0);
  await until('five datagrams', () => got.length === 5);
  assert.deepEqual(got.slice(0, 3), ['127.0.0.5 one\n', '127.0.0.5 \n', '127.0.0.5 \xff\x00\n']);
  assert.equal(got[3].length, '127.0.0.5 '.length + 8192 + 1);
  assert.equal(got[4], '127.0.0.5 last\n');
});

test('mergelogs puts the logs of several servers in the order of time, whatever their zones', async (t) => {
  const folder = scratch(t);
  const file = (name: string, text: string) => {
    writeFileSync(join(folder, name), text, 'latin1');
    return join(folder, name);
  };
  const line = (time: string, request: string) => `h - - [23/Nov/2026:${time}] "${request}" 200 5\n`;
  const at = Date.UTC(2026, 10, 23, 0, 54, 50) / 1000;
  const penLog = file(
    'pen.log',
    [
      `192.0.2.1 ${at} 10.0.0.1 GET /a HTTP/1.1`,
      `192.0.2.2 ${at + 1} 2001:db8::9 GET /a HTTP/1.1`,
      `192.0.2.3 ${at + 2} 10.0.0.1 GET /a HTTP/1.1`,
      'not a line of pen',
      `192.0.2.4 ${at + 700} 10.0.0.1 GET /late HTTP/1.1`,
    ].join('\n'),
  );
  const one = file(
    'one',
    `${line('01:54:50 +0100', 'GET /a HTTP/1.1')}${line('01:54:52 +0100', 'GET /a HTTP/1.1')}${line('01:54:53 +0100', 'GET /late HTTP/1.1')}nonsense\n`,
  );
  const two = file('two', line('00:54:51 +0000', 'GET /a HTTP/1.1'));
  const operands = [`10.0.0.1:${one}`, `[2001:db8::9]:${two}`];
  const merge = async (...options: string[]) => {
    const { stdout, stderr, status } = await run('mergelogs', ['-p', penLog, ...options, ...operands]);
    assert.equal(status, 0);
    const [leftOut, ...others] = stderr.trimEnd().split('\n');
    assert.equal(leftOut, 'mergelogs: 1 lines left out, no web server writes them so');
    const unmatched = stdout.match(/^(?:10\.|2001:)/gm)?.length;
    const hint = `mergelogs: ${unmatched} of 4 lines have no client in '${penLog}' (clocks that jumped: -c; another zone: -t)`;
    assert.deepEqual(others, unmatched === undefined ? [] : [hint]);
    return stdout.split('\n').map((text) => text.replace(/ .*/, ''));
  };

  assert.deepEqual(await merge(), ['192.0.2.1', '192.0.2.2', '192.0.2.3', '10.0.0.1', '']);
  assert.deepEqual(await merge('-j', '700'), ['192.0.2.1', '192.0.2.2', '192.0.2.3', '192.0.2.4', '']);
  assert.deepEqual(await merge('-c'), ['192.0.2.1', '192.0.2.2', '192.0.2.3', '192.0.2.4', '']);
  assert.deepEqual(await merge('-t', '3600', '-j', '10'), ['10.0.0.1', '2001:db8::9', '10.0.0.1', '10.0.0.1', '']);
  assert.deepEqual(await merge('-t', '690', '-j', '10'), ['10.0.0.1', '2001:db8::9', '10.0.0.1', '192.0.2.4', '']);
});

test("mergelogs finds clients behind lines of pen's that are hours ahead, and those clients when their time has come", async (t) => {
  const folder = scratch(t);
  const file = (name: string, lines: string[]) => {
    writeFileSync(join(folder, name), lines.join('\n'));
    return join(folder, name);
  };
  const at = Date.UTC(2026, 10, 23, 1, 0, 0) / 1000;
  const seen = (client: string, sec: number, path: string) => `${client} ${at + sec} 10.0.0.1 GET ${path} HTTP/1.1`;
  const served = (time: string, path: string) => `h - - [23/Nov/2026:${time} +0000] "GET ${path} HTTP/1.1" 200 5`;
  const penLog = file('pen.log', [
    seen('192.0.2.9', 7200, '/early'),
    ...[1, 2, 3].map((n) => seen(`192.0.2.${n}`, n, '/')),
    seen('192.0.2.4', 7201, '/'),
  ]);
  const www = file('www', [
    ...['01:00:01', '01:00:02', '01:00:03'].map((time) => served(time, '/')),
    served('03:00:00', '/early'),
    served('03:00:01', '/'),
  ]);
  const { stdout, stderr, status } = await run('mergelogs', ['-p', penLog, `10.0.0.1:${www}`]);
  const clients = stdout
    .trimEnd()
    .split('\n')
    .map((text) => text.replace(/ .*/, ''));
  assert.deepEqual(
    clients,
    [1, 2, 3, 9, 4].map((n) => `192.0.2.${n}`),
  );
  assert.deepEqual([stderr, status], ['', 0]);
});

test('mergelogs reads what logrotate has compressed, and says when pen logged otherwise or a file ends early', async (t) => {
  const folder = scratch(t);
  const file = (name: string, bytes: string | Buffer) => {
    writeFileSync(join(folder, name), bytes);
    return join(folder, name);
  };
  const penLine = '192.0.2.1 1 10.0.0.1 GET / HTTP/1.1\n';
  const penLog = file('pen.log.1.gz', gzipSync(penLine));
  const packed = gzipSync('h - - [01/Jan/1970:00:00:01 +0000] "GET / HTTP/1.1" 200 5\n');
  const www = file('www.1.gz', packed);
  const merged = await run('mergelogs', ['-p', penLog, `10.0.0.1:${www}`]);
  assert.deepEqual([merged.stdout.slice(0, 14), merged.stderr, merged.status], ['192.0.2.1 - - ', '', 0]);

  const json = file('pen.json', '{"time":"2026-11-23T00:54:50.000Z","type":"request"}\n');
  const other = await run('mergelogs', ['-p', json, `10.0.0.1:${www}`]);
  assert.equal(other.stderr, `mergelogs: '${json}' has no line as 'log_format pen' writes them\n`);

  const cut = file('cut.gz', packed.subarray(0, 30));
  const torn = await run('mergelogs', ['-p', penLog, `10.0.0.1:${cut}`]);
  assert.deepEqual([torn.stderr, torn.status], [`mergelogs: cannot read '${cut}': Z_BUF_ERROR\n`, 1]);
  const gone = await run('mergelogs', ['-p', penLog, `10.0.0.1:${folder}/gone.gz`]);
  assert.deepEqual([gone.stderr, gone.status], [`mergelogs: cannot read '${folder}/gone.gz': ENOENT\n`, 1]);
});
