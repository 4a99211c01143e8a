/**
 * Debian's pen and ours, started alike and asked alike: replies are equal byte for byte, newlines at the end
 * included, but for the differences in the tables below, each with its reason.
 */
import assert from 'node:assert/strict';
import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { connect } from 'node:net';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { promisify } from 'node:util';
import { tcpBackend } from '../support/backend.js';
import { dial } from '../support/client.js';
import { atEnd } from '../support/ending.js';
import { pen } from '../support/pen.js';
import { run } from '../support/process.js';
import { scratch } from '../support/scratch.js';
import { until, within } from '../support/wait.js';

const C_PEN = '/usr/bin/pen';
const C_PENCTL = '/usr/bin/penctl';

/** Asked in this order of both. C Pen survives every one of them. */
const sameReplies: readonly string[] = [
  ...['blacklist', 'blacklist 40', 'blacklist', 'blacklist   50', '   blacklist', 'timeout', 'timeout 7', 'timeout'],
  ...['tracking', 'tracking 9', 'tracking', 'debug', 'debug 0', 'client_acl', 'client_acl 3', 'client_acl'],
  ...['control_acl', 'control_acl 0', 'idle_timeout', 'idle_timeout 5', 'idle_timeout', 'tarpit_acl'],
  ...[
    'tarpit_acl',
    'tarpit_acl -1',
    'pending_max 5',
    'clients_max',
    'clients_max 10',
    'clients_max 3000',
    'clients_max',
  ],
  ...['conn_max', 'conn_max 10', 'conn_max 600', 'conn_max', 'idlers', 'idlers 0'],
  ...['acl 1 permit 1.2.3.4', 'acl 1 deny 1.2.3.4 255.255.0.0', 'acl 1 permit ::1/64', 'acl 1 permit ::1', 'no acl 1'],
  ...['mode', 'hash', 'mode', 'no hash', 'roundrobin', 'mode', 'no roundrobin', 'stubborn', 'mode', 'no stubborn'],
  ...['weight', 'mode', 'no weight', 'prio', 'mode', 'no prio', 'mode'],
  ...['no ascii', 'abort_on_error', 'no abort_on_error', 'keepalive', 'no keepalive'],
  ...['tcp_nodelay', 'no tcp_nodelay', 'dummy', 'no dummy', 'no http', 'no peek', 'no transparent', 'ssl_ciphers ALL'],
  ...['tcp_fastclose up', 'tcp_fastclose down', 'tcp_fastclose both', 'tcp_fastclose off', 'tcp_fastclose'],
  ...['source 127.0.0.1', 'source ::1', 'source 0.0.0.0', 'source bad..name', 'connection 0', 'connection 600'],
  ...['connection -1', 'close 0', 'close 600', 'close -1', 'socket 0', 'socket 900', 'socket -1', 'recent', 'recent 5'],
  ...['server 0 max 5 hard 7 weight 3 prio 2', 'server 0 blacklist 3', 'server 1 port 99', 'server 1 address ::1'],
  ...['server 1 address 127.0.0.1', 'server 2 address 127.0.0.9 port 9 acl 2', 'servers', 'server 0', 'servers'],
  ...[
    'server 1 address 0.0.0.0',
    'servers',
    'log',
    'no log',
    'log',
    'log /dev/null',
    'log',
    'no log',
    'log',
    'web_stats',
    'web_stats /tmp/page',
    'web_stats',
  ],
  ...[
    'no web_stats',
    'web_stats',
    'exit',
    'block',
    'no block',
    'delayed_forward',
    'no delayed_forward',
    'nonsense',
    'FOO bar',
  ],
  ...['', ' ', '# comment', 'include /dev/null/', 'mode'].filter((line) => !line.startsWith('include')),
];

interface Difference {
  readonly line: string;
  readonly cPen: string;
  readonly ours: string;
  readonly why: string;
}

const CLAMPED = 'a wrong number is an error, not another number';
const SILENT = 'a wrong command is an error, not silence';
const LATER = 'the capability is not built yet';

const differences: readonly Difference[] = [
  {
    line: 'blacklist abc',
    cPen: '0\n',
    ours: "error: blacklist: expected a number from 0 to 2147483647, got 'abc'\n",
    why: CLAMPED,
  },
  {
    line: 'blacklist 30 31',
    cPen: '30\n',
    ours: "error: blacklist: unexpected '31' (usage: blacklist [T])\n",
    why: SILENT,
  },
  {
    line: 'client_acl 11',
    cPen: '0\n',
    ours: "error: client_acl: expected a number from 0 to 9, got '11'\n",
    why: CLAMPED,
  },
  {
    line: 'tarpit_acl 20',
    cPen: 'tarpit_acl = 0',
    ours: "error: tarpit_acl: expected a number from -1 to 9, got '20'\n",
    why: CLAMPED,
  },
  {
    line: 'tarpit_acl 3',
    cPen: 'tarpit_acl = 3',
    ours: 'error: tarpit_acl: tarpit_acl is for direct server return (add dsr_if IF)\n',
    why: 'a proxy sees no SYN of an address that it does not have; C Pen takes the setting and does nothing',
  },
  { line: 'ascii', cPen: '', ours: 'error: ascii: not available yet\n', why: LATER },
  {
    line: 'source 192.0.2.1',
    cPen: '',
    ours: "unable to set source address to '192.0.2.1'",
    why: 'from an address of another host no server can be reached',
  },
  {
    line: 'conn_max 0',
    cPen: '500\n',
    ours: "error: conn_max: expected a number from 1 to 1048576, got '0'\n",
    why: CLAMPED,
  },
  {
    line: 'timeout 0',
    cPen: '0\n',
    ours: "error: timeout: expected a number from 1 to 2147483647, got '0'\n",
    why: 'every server would be blacklisted as soon as it is tried',
  },
  {
    line: 'close',
    cPen: 'Forcibly closing connection 0\n',
    ours: 'error: close: expected a number from -2147483647 to 2147483647, got nothing\n',
    why: 'nobody asked for connection 0',
  },
  { line: 'acl 1 maybe 1.2.3.4', cPen: '', ours: "error: acl: expected permit or deny, got 'maybe'\n", why: SILENT },
  { line: 'acl 1 permit garbage', cPen: '', ours: "error: acl: 'garbage' is no IP address\n", why: SILENT },
  { line: 'acl 1 permit country SE', cPen: '', ours: 'error: acl: country: not available yet\n', why: LATER },
  { line: 'no acl 12', cPen: '', ours: "error: no acl: expected a number from 0 to 9, got '12'\n", why: SILENT },
  { line: 'no', cPen: '', ours: 'error: no: expected what to turn off\n', why: SILENT },
  { line: 'no foo', cPen: '', ours: "error: no 'foo': unknown command (see penctl help)\n", why: SILENT },
  {
    line: 'server 0 foo 3',
    cPen: '',
    ours: "error: server: expected acl, address, port, max, hard, blacklist, weight, prio, proxy, name, tls, sni or encap, got 'foo'\n",
    why: SILENT,
  },
  {
    line: 'tcp_fastclose sideways',
    cPen: '',
    ours: "error: tcp_fastclose: expected up, down, both or off, got 'sideways'\n",
    why: SILENT,
  },
  {
    line: 'pending_max',
    cPen: '',
    ours: 'error: pending_max: expected a number from 1 to 2147483647, got nothing\n',
    why: SILENT,
  },
  { line: 'include', cPen: '', ours: 'error: include: expected FILE\n', why: SILENT },
  { line: 'include /nonexistent', cPen: '', ours: "error: include: cannot read '/nonexistent': ENOENT\n", why: SILENT },
  { line: 'write', cPen: '', ours: 'error: write: expected FILE (pen was started without -F)\n', why: SILENT },
  { line: 'blacklist # seconds', cPen: '0\n', ours: '30\n', why: 'a comment is no number' },
  { line: 'no server 1', cPen: '', ours: '', why: 'the same reply, but here the row is empty afterwards' },
];

test('penctl commands are answered byte for byte like by C Pen', async (t) => {
  const [ours, theirs] = await both(t, ['127.0.0.1:18082', '127.0.0.1:18083']);
  for (const line of sameReplies) {
    assert.equal(await ask(ours.control, `${line}\n`), await ask(theirs.control, `${line}\n`), `reply to '${line}'`);
  }
});

for (const { line, cPen, ours: want, why } of differences) {
  test(`penctl ${line} differs from C Pen: ${why}`, async (t) => {
    const [ours, theirs] = await both(t, ['127.0.0.1:18082', '127.0.0.1:18083']);
    assert.equal(await ask(theirs.control, `${line}\n`), cPen, 'C Pen is as we describe it');
    assert.equal(await ask(ours.control, `${line}\n`), want);
  });
}

test('a row that was skipped is shown as 0.0.0.0, in one word, unlike by C Pen', async (t) => {
  const [ours, theirs] = await both(t, ['127.0.0.1:18082']);
  for (const { control } of [ours, theirs]) await ask(control, 'server 2 address 127.0.0.1 port 1\n');
  const row = /^1 addr (.*) port 0 conn 0 max 0 hard 0 weight 0 prio 0 sx 0 rx 0$/m;
  assert.equal(row.exec(await ask(theirs.control, 'servers\n'))?.[1], '(unknown address family 0');
  assert.equal(row.exec(await ask(ours.control, 'servers\n'))?.[1], '0.0.0.0');
});

test('control takes the same line endings as C Pen', async (t) => {
  const [ours, theirs] = await both(t, ['127.0.0.1:18082']);
  for (const bytes of ['blacklist\n', 'blacklist\r\n', 'blacklist', '  blacklist  \r\n', 'blacklist\nmode\n', '\n']) {
    assert.equal(await ask(ours.control, bytes), await ask(theirs.control, bytes), JSON.stringify(bytes));
  }
});

test('pid, control and listen tell each process its own', async (t) => {
  const [ours, theirs] = await both(t, ['127.0.0.1:18082']);
  for (const one of [ours, theirs]) {
    assert.equal(await ask(one.control, 'pid\n'), `${one.pid}\n`);
    assert.equal(await ask(one.control, 'control\n'), `${one.control}\n`);
    assert.equal(await ask(one.control, 'listen\n'), `${one.listen}\n`);
  }
});

test('a connection looks the same from the control socket', async (t) => {
  const servers = [await tcpBackend(t), await tcpBackend(t)];
  const [ours, theirs] = await both(
    t,
    servers.map((server) => server.address),
  );
  const seen = await Promise.all([ours, theirs].map((one) => lookAtConnection(t, one)));
  assert.deepEqual(seen[0], seen[1]);
});

test("Debian's penctl and ours show the same, with either pen", async (t) => {
  const [ours, theirs] = await both(t, ['127.0.0.1:18082', '127.0.0.1:18083']);
  for (const command of ['servers', 'mode', 'blacklist', 'roundrobin', 'source nope..', 'nonsense']) {
    const want = await promisify(execFile)(C_PENCTL, [theirs.control, ...command.split(' ')]);
    for (const { control } of [ours, theirs]) {
      assert.equal(
        (await promisify(execFile)(C_PENCTL, [control, ...command.split(' ')])).stdout,
        want.stdout,
        command,
      );
      const own = await run('penctl', [control, ...command.split(' ')]);
      assert.deepEqual([own.stdout, own.status], [want.stdout, 0], command);
    }
  }
  assert.equal((await run('penctl', [ours.control, 'acl', '1', 'maybe', 'x'])).status, 1);
});

test('every command on which C Pen dies or hangs is answered by one error line', async (t) => {
  const busy = await tcpBackend(t);
  const balancer = await pen(t, { servers: [busy] });
  const deadly = [
    'no acl',
    'source',
    'listen nope..:1',
    'listen [::1',
    'listen :x',
    'clients_max 2000000000',
    'conn_max 2000000000',
    'idlers 100000',
    'include /dev/zero',
    `listen ${busy.address}`,
  ];
  const before = await settingsOf(balancer);
  for (const line of deadly) assert.match(await ask(balancer.control, `${line}\n`), /^error: [^\n]+\n$/, line);
  assert.equal(await ask(balancer.control, 'ssl_ocsp_response\n'), '');
  assert.equal(await ask(balancer.control, 'ssl_client_renegotiation_interval\n'), '3600\n');
  assert.deepEqual(await settingsOf(balancer), before);
});

interface Side {
  readonly control: string;
  readonly pid: number;
  readonly listen: string;
  readonly port: number;
}

/** Ours and C Pen with the same servers, each listening on its own free port. */
async function both(t: TestContext, servers: readonly string[]): Promise<readonly [Side, Side]> {
  const ours = await pen(t, { servers });
  return [{ ...ours, listen: ours.address }, await startCPen(t, servers)];
}

async function startCPen(t: TestContext, servers: readonly string[]): Promise<Side> {
  assert(existsSync(C_PEN), `${C_PEN} is installed (apt-get install pen)`);
  const control = join(scratch(t), 'ctl');
  const asRoot = process.getuid?.() === 0 ? ['-u', 'root'] : [];
  // C Pen cannot say which port it got for port 0, so one is tried after the other.
  for (let attempt = 0; attempt < 20; attempt += 1) {
    const port = 20_000 + ((process.pid * 31 + attempt * 977) % 10_000);
    const listen = `127.0.0.1:${port}`;
    const child = spawn(C_PEN, ['-f', ...asRoot, '-C', control, listen, ...servers], { stdio: 'ignore' });
    atEnd(t, () => endOf(child));
    const isUp = await until('C Pen serves', async () => {
      if (child.exitCode !== null) return 'no';
      return ask(control, 'pid\n').then(
        (text) => text !== '' && 'yes',
        () => false,
      );
    });
    if (isUp === 'yes') return { control, pid: child.pid ?? 0, listen, port };
  }
  throw new Error('C Pen found no free port');
}

async function endOf(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const ended = new Promise((resolve) => child.once('exit', resolve));
  child.kill('SIGKILL');
  await ended;
}

/** Sends these bytes and gives the whole reply. */
function ask(control: string, bytes: string): Promise<string> {
  const reply = new Promise<string>((resolve, reject) => {
    const socket = connect({ path: control });
    const chunks: Buffer[] = [];
    socket.on('connect', () => socket.write(bytes));
    socket.on('data', (chunk) => chunks.push(chunk));
    socket.on('end', () => resolve(Buffer.concat(chunks).toString()));
    socket.on('error', reject);
  });
  return within(`reply to ${JSON.stringify(bytes)}`, reply);
}

/** What the commands show of one connection that has sent five bytes and got them back; descriptors left out. */
async function lookAtConnection(t: TestContext, { control, port }: Side): Promise<string[]> {
  const socket = await dial(port);
  atEnd(t, () => socket.destroy());
  socket.on('error', () => {});
  socket.write('hello');
  await new Promise((resolve) => socket.once('data', resolve));
  await until('the bytes are counted', async () => / sx 5 rx 5$/m.test(await ask(control, 'servers\n')));
  const shown: string[] = [];
  for (const line of ['connection 0', 'servers', 'recent', 'idlers', 'close 0']) {
    shown.push((await ask(control, `${line}\n`)).replace(/fd = \d+/g, 'fd = FD').replace(/port \d+/g, 'port P'));
  }
  const upfd = /downfd = (\d+)/.exec(await ask(control, 'connection 0\n'));
  assert(upfd === null || Number(upfd[1]) > 2);
  await until('the connection is gone', async () => !/ conn 1 /.test(await ask(control, 'servers\n')));
  return shown;
}

async function settingsOf(balancer: { readonly control: string }): Promise<string[]> {
  const file = `${balancer.control}.conf`;
  assert.equal(await ask(balancer.control, `write ${file}\n`), '');
  return readFileSync(file, 'utf8').split('\n');
}
