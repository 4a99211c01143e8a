/** The life of a Service: checked start, files, HUP, write, statistics, fatal errors. */
import assert from 'node:assert/strict';
import { chmodSync, mkdirSync, readdirSync, readFileSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { TRANSPARENCY } from '../proxy/transparency.js';
import { scratch, serviceOf, startedService } from './control.suite.js';
import { ConfigurationError } from './errors.js';

type PrepareCase = readonly [name: string, file: string, problems: readonly string[]];

const brokenFiles: readonly PrepareCase[] = [
  ['an unknown word', 'blacklist 5\nblaklist 6\n', ["FILE:2: unknown command 'blaklist' (see penctl help)"]],
  [
    'several problems',
    '# fine\nacl 1 maybe 1.2.3.4\n\nserver 0 port x y\nconn_max 0\n',
    [
      "FILE:2: acl: expected permit or deny, got 'maybe'",
      "FILE:4: server: expected acl, address, port, max, hard, blacklist, weight, prio, proxy, name, tls, sni or encap, got 'y'",
      "FILE:5: conn_max: expected a number from 1 to 1048576, got '0'",
    ],
  ],
  ['a capability of later', 'ascii\n', ['FILE:1: ascii: not available yet']],
  [
    'an included file that is not there',
    'include /nonexistent\n',
    ["FILE:1: include: cannot read '/nonexistent': ENOENT"],
  ],
  [
    'an included file that is not there, by a relative name',
    'include nonexistent.cfg\n',
    [`FILE:1: include: cannot read 'nonexistent.cfg': ENOENT (looked for in '${process.cwd()}')`],
  ],
  ['itself', 'include FILE\n', ["FILE:1: include: 'FILE' includes itself"]],
  ['a bad source', 'source 1.2.3.4.5\n', ["FILE:1: source: '1.2.3.4.5' is neither an address nor a host name"]],
];

for (const [name, text, problems] of brokenFiles) {
  test(`prepare refuses a file with ${name}, saying which line`, async (t) => {
    const file = join(scratch(t), 'pen.conf');
    writeFileSync(file, text.replaceAll('FILE', file));
    const { service } = serviceOf(t);
    const failure = await service.prepare({ listen: '127.0.0.1:0', servers: [], commands: [], file }).catch((e) => e);
    assert(failure instanceof ConfigurationError);
    assert.deepEqual(
      failure.problems,
      problems.map((problem) => problem.replaceAll('FILE', file)),
    );
    assert.equal(failure.isUsage, false);
  });
}

test('prepare tells mistakes of typing from those of the world', async (t) => {
  const { service } = serviceOf(t);
  const prepare = (more: object) =>
    service.prepare({ listen: '80', servers: [], commands: [], ...more }).then(
      () => undefined,
      (failure: ConfigurationError) => [failure.problems[0], failure.isUsage],
    );
  assert.deepEqual(await prepare({ commands: [{ option: '-b', line: 'blacklist x' }] }), [
    "-b: blacklist: expected a number from 0 to 2147483647, got 'x'",
    true,
  ]);
  assert.deepEqual(await prepare({ listen: undefined }), [
    'nowhere to listen (give LISTEN, or "listen" in the file)',
    true,
  ]);
  assert.deepEqual(await prepare({ file: '/nonexistent' }), [
    "configuration file: cannot read '/nonexistent': ENOENT",
    false,
  ]);
  assert.deepEqual(await prepare({ commands: [{ option: '-O "source 192.0.2.1"', line: 'source 192.0.2.1' }] }), [
    `-O "source 192.0.2.1": source: cannot connect from '192.0.2.1': EADDRNOTAVAIL (no address of this machine)`,
    false,
  ]);
  const [problem, isUsage] = (await prepare({ servers: ['no-such-host.invalid:80'] })) ?? [];
  assert.match(String(problem), /^server 0: cannot resolve host 'no-such-host\.invalid': E/);
  assert.equal(isUsage, false);
});

test('prepare blames servers without a port not for a bad listen address', async (t) => {
  const { service } = serviceOf(t);
  const commands = [{ option: '-e', line: 'emergency 127.0.0.2' }];
  await assert.rejects(service.prepare({ listen: '99999', servers: ['127.0.0.1'], commands }), {
    message: 'listen address: port 99999 is out of range (0 to 65535)',
  });
});

test('start does the commands of the command line and of the file in order and prints the replies', async (t) => {
  const file = join(scratch(t), 'pen.conf');
  writeFileSync(file, 'mode\nserver 2 address 127.0.0.1 port 9\nservers\nsource 127.0.0.1\nconn_max 9\r\n');
  const { service, printed } = await startedService(t, {
    servers: ['127.0.0.1:7:1:2:3:4', '127.0.0.1'],
    listen: '127.0.0.1:0',
    commands: [
      { option: '-b', line: 'blacklist 12' },
      { option: '-O "blacklist"', line: 'blacklist' },
      { option: '-W', line: 'weight' },
    ],
    file,
  });
  const row = (slot: number, port: number, limits: string) =>
    `${slot} addr 127.0.0.1 port ${port} conn 0 ${limits} sx 0 rx 0\n`;
  assert.equal(
    printed(),
    `12\nno hash no roundrobin no stubborn weight no prio\n${row(0, 7, 'max 1 hard 2 weight 3 prio 4')}` +
      `${row(1, 0, 'max 0 hard 0 weight 0 prio 0')}${row(2, 9, 'max 0 hard 0 weight 0 prio 0')}9\n`,
  );
  // Nothing ran yet when the file was read, so the table was made that small.
  assert.equal(service.setup.configuration.settings.connectionsMax, 9);
});

test('include does all of a file or nothing', async (t) => {
  const folder = scratch(t);
  const file = join(folder, 'more.conf');
  const { service, printed } = await startedService(t);
  writeFileSync(file, 'blacklist 77\ntracking 5\n');
  assert.equal(await service.execute(`include ${file}`, 'unix'), '');
  assert.equal(printed(), '77\n5\n');
  const before = service.setup;
  writeFileSync(file, 'blacklist 78\nnonsense\nacl x\n');
  const reply = await service.execute(`include ${file}`, 'unix');
  assert.equal(
    reply,
    `error: include: ${file}:2: unknown command 'nonsense' (see penctl help)\n` +
      `error: include: ${file}:3: acl: expected a number from 0 to 9, got 'x'\n`,
  );
  assert.equal(service.setup, before);
});

test('reload makes the settings command line plus file, and leaves state alone', async (t) => {
  const file = join(scratch(t), 'pen.conf');
  writeFileSync(file, 'hash\nconn_max 700\nserver 1 max 5\nserver 2 address 127.0.0.1 port 3\n');
  const { service, plane, logged } = await startedService(t, { commands: [{ option: '-s', line: 'stubborn' }], file });
  await service.execute('tracking 60', 'unix');
  await service.execute('server 0 blacklist 100', 'unix');

  await service.reload();
  assert.equal(service.setup.configuration.settings.trackingSec, 60, 'an unchanged file changes nothing');

  writeFileSync(file, 'weight\n');
  await service.reload();
  const { settings, servers } = service.setup.configuration;
  assert.deepEqual(
    [settings.hash, settings.weight, settings.stubborn, settings.trackingSec, settings.connectionsMax],
    [false, true, true, 0, 700],
    'conn_max never shrinks while pen runs',
  );
  assert.deepEqual([servers.length, servers[1]?.max], [2, 0]);
  assert.deepEqual(plane.configuration, service.setup.configuration);
  assert.notEqual(plane.servers.blacklistedUntil(0), 0);
  assert.deepEqual(logged, [`settings read again from ${file}`]);
});

test('reload keeps the old settings when the file is broken, and says which line', async (t) => {
  const file = join(scratch(t), 'pen.conf');
  writeFileSync(file, 'hash\n');
  const { service, logged } = await startedService(t, { file });
  const before = service.setup;
  writeFileSync(file, 'no hash\nserver 0 port\nacl x\n');
  await service.reload();
  assert.equal(service.setup, before);
  const problem = `old settings kept: ${file}:2: server: expected a value after port`;
  assert.deepEqual(logged, [problem, `old settings kept: ${file}:3: acl: expected a number from 0 to 9, got 'x'`]);
  assert.match(await service.execute('events', 'unix'), new RegExp(`Z ${problem} \\(and 1 more\\)\n$`));
  writeFileSync(file, 'no hash\n');
  await service.reload();
  assert.equal(service.setup.configuration.settings.hash, false);
});

test('write gives a file that starts the same, every setting of it', async (t) => {
  const folder = scratch(t);
  const lines = [
    ...['abort_on_error', 'dummy', 'hash', 'keepalive', 'prio', 'roundrobin', 'stubborn', 'tcp_nodelay', 'weight'],
    'multi_accept 7',
    'listen_backlog 33',
    'blacklist 3',
    'client_acl 1',
    'control_acl 2',
    'clients_max 3000',
    'conn_max 900',
    'timeout 9',
    'debug 1',
    'tcp_fastclose both',
    'idle_timeout 8',
    'head_timeout 4',
    'http',
    'http trust 4',
    'http forwarded',
    'idlers 600',
    'peek',
    'proxy_acl 5',
    'pending_max 4',
    'source 127.0.0.1',
    'threads 2',
    'tracking 66',
    'transparent port',
    'transparent listen',
    'transparent strict',
    'udp_expect 2',
    'udp_responses 3',
    'udp_timeout 4',
    'acl 1 permit 10.1.2.3 255.0.255.0',
    'acl 1 deny 10.1.2.4',
    'acl 1 permit fe80::/10',
    'acl 1 permit ::ffff:0:0/96',
    'acl 1 permit ::ffff:a00:0/90',
    'acl 2 deny ::/0',
    'server 0 acl 1 max 1 hard 2 weight 3 prio 4',
    'server 3 address ::1 port 5',
    'server 4 address /run/www',
    'server 5 proxy v2 name *.example.com,www.example.org',
    'server 6 max 5',
    'server 7 address 0.0.0.0 port 8',
    'emergency 127.0.0.1:9:1',
    'abuse_server [::1]:10',
    `web_stats ${join(folder, 'a page.html')}`,
    `log ${join(folder, 'a log')}`,
    'log_format clf',
    'node',
    'dsr_mode packet',
    'listen localhost:0',
  ];
  const { service } = await startedService(t, { commands: lines.map((line) => ({ option: '-O', line })) });
  const { defaultSettings } = await import('../core/configuration.js');
  const { settings } = service.setup.configuration;
  for (const key of Object.keys(defaultSettings) as (keyof typeof settings)[]) {
    // There is no other tarpitAcl yet; UDP and roles of direct server return cannot be had together with all of the rest.
    if (key !== 'tarpitAcl' && key !== 'udp' && key !== 'dsrRole')
      assert.notDeepEqual(settings[key], defaultSettings[key], `the test gives ${key} another value`);
  }

  const file = join(folder, 'pen.conf');
  assert.equal(await service.execute(`write ${file}`, 'unix'), '');
  assert.match(readFileSync(file, 'utf8'), /^tarpit_acl -1$/m);
  const again = serviceOf(t).service;
  await again.prepare({ servers: [], commands: [], file });
  assert.deepEqual(again.setup, service.setup);
});

test('write says that it is UDP, and pen does not become TCP while it runs', async (t) => {
  const file = join(scratch(t), 'pen.conf');
  const { service } = await startedService(t, { commands: [{ option: '-U', line: 'udp' }] });
  assert.equal(await service.execute(`write ${file}`, 'unix'), '');
  const again = serviceOf(t).service;
  await again.prepare({ servers: [], commands: [], file });
  assert.deepEqual(again.setup, service.setup);
  assert.equal(await service.execute('udp', 'unix'), '');
  assert.match(await service.execute('no udp', 'unix'), /^error: no udp: pen balances UDP \(to change it restart/);
  for (const line of ['dummy', 'idlers 5', 'server 0 address /run/www', 'listen /run/front']) {
    assert.match(await service.execute(line, 'unix'), /^error: .*UDP/, line);
  }
  assert.deepEqual(again.setup, service.setup);
});

test('dsr_mode says how packets go, is one of a few, and is chosen at the start', async (t) => {
  const { service } = await startedService(t, { commands: [{ option: '-O', line: 'dsr_mode generic' }] });
  assert.equal(await service.execute('dsr_mode', 'unix'), 'generic\n');
  assert.equal(await service.execute('dsr_mode generic', 'unix'), '');
  assert.equal(
    await service.execute('dsr_mode packet', 'unix'),
    'error: dsr_mode: pen runs in mode generic (to change it restart with -O "dsr_mode packet")\n',
  );
  assert.match(
    await service.execute('dsr_mode warp', 'unix'),
    /^error: dsr_mode: expected auto, xdp, .*, got 'warp'\n$/,
  );
});

test('log cannot be had together with direct server return, where pen sees no connections', async (t) => {
  const { service } = serviceOf(t);
  const commands = ['dsr_if eth0', 'log /dev/null'].map((line) => ({ option: '-O', line }));
  await assert.rejects(
    service.prepare({ listen: '192.0.2.1:80', servers: ['192.0.2.2'], commands }),
    /log is for the proxy: with dsr_if pen sees no requests/,
  );
});

test('transparent cannot be had together with direct server return, which needs it not', async (t) => {
  const commands = ['dsr_if eth0', 'transparent'].map((line) => ({ option: '-O', line }));
  const prepared = serviceOf(t).service.prepare({ listen: '192.0.2.80:80', servers: ['192.0.2.11'], commands });
  await assert.rejects(prepared, /transparent is for the proxy: with dsr_if servers see their clients anyway/);
});

test('dsr_pin and dsr_role are for direct server return, and kept by write', async (t) => {
  const prepare = (...lines: string[]) => {
    const { service } = serviceOf(t);
    const commands = lines.map((line) => ({ option: '-O', line }));
    return service.prepare({ listen: '192.0.2.80:80', servers: ['192.0.2.11'], commands }).then(() => service);
  };
  await assert.rejects(prepare('dsr_pin /sys/fs/bpf/pen'), /dsr_pin is for direct server return \(add dsr_if IF\)/);
  await assert.rejects(prepare('dsr_role auto'), /dsr_role is for direct server return \(add dsr_if IF\)/);
  await assert.rejects(prepare('dsr_if eth0', 'dsr_pin pen'), /'pen' does not begin with \//);
  await assert.rejects(prepare('dsr_if eth0', 'dsr_role slave'), /expected master, standby or auto, got 'slave'/);
  const service = await prepare('dsr_if eth0', 'dsr_pin /sys/fs/bpf/pen', 'dsr_role standby');
  const file = join(scratch(t), 'pen.conf');
  await service.write(file);
  const again = serviceOf(t).service;
  await again.prepare({ servers: [], commands: [], file });
  assert.deepEqual(again.setup, service.setup);
});

test('write says that a row is empty, whatever the command line says of it', async (t) => {
  const file = join(scratch(t), 'pen.conf');
  const { service } = await startedService(t);
  await service.execute('no server 1', 'unix');
  assert.equal(await service.execute(`write ${file}`, 'unix'), '');
  const again = serviceOf(t).service;
  await again.prepare({ listen: '80', servers: ['127.0.0.1:1', '127.0.0.1:2'], commands: [], file });
  assert.deepEqual(again.setup.configuration, service.setup.configuration);
});

test('write replaces the file of -F at once, keeps its mode and follows a link', async (t) => {
  const folder = scratch(t);
  mkdirSync(join(folder, 'etc'));
  const file = join(folder, 'etc', 'pen.conf');
  const link = join(folder, 'pen.conf');
  writeFileSync(file, 'hash\n');
  chmodSync(file, 0o640);
  symlinkSync(file, link);
  const { service } = await startedService(t, { file: link });
  assert.equal(await service.execute('write', 'unix'), '');
  assert.match(readFileSync(file, 'utf8'), /^hash$/m);
  assert.equal(statSync(file).mode & 0o777, 0o640);
  assert.deepEqual(readdirSync(join(folder, 'etc')), ['pen.conf'], 'no temporary file is left');
});

test('write refuses a name that the language cannot say', async (t) => {
  const { service } = await startedService(t);
  const file = join(scratch(t), 'pen.conf');
  await service.execute('web_stats /tmp/a', 'unix');
  assert.equal(await service.execute(`write ${file}`, 'unix'), '');
  const odd = await startedService(t, { servers: ['/tmp/a #b'] });
  assert.match(
    await odd.service.execute(`write ${file}`, 'unix'),
    /^error: write: the name '\/tmp\/a #b' cannot be written/,
  );
});

test('statistics go to the web_stats file, escaped, or to the log', async (t) => {
  const file = join(scratch(t), 'page.html');
  const { service, logged } = await startedService(t, { servers: ['/tmp/<script>&"'] });
  const page = await service.execute('status', 'unix');
  assert.match(page, /<td>\/tmp\/&lt;script&gt;&amp;&quot;<\/td>/);
  assert.doesNotMatch(page, /<script>/);
  await service.writeStatistics();
  assert.match(
    logged.join('\n'),
    /^2026-01-02T03:04:05\.000Z listening on .*, engine node, roundrobin with client tracking, 0 connections, 0 accepted\nserver 0: /,
  );
  await service.execute(`web_stats ${file}`, 'unix');
  await service.writeStatistics();
  assert.equal(readFileSync(file, 'utf8'), page);
  await service.execute('web_stats /nonexistent/page', 'unix');
  await service.writeStatistics();
  assert.equal(logged.at(-1), "no statistics: cannot write '/nonexistent/page': ENOENT");
});

test("statistics count connections that should have come from their client's address", async (t) => {
  const { service, plane } = await startedService(t, { commands: [{ option: '-O', line: 'transparent' }] });
  plane.transparency.add(TRANSPARENCY.own, 2);
  assert.match(await service.execute('status', 'unix'), /<p>from this host&#39;s own address 2, refused 0, /);
  const plain = await startedService(t);
  assert.doesNotMatch(await plain.service.execute('status', 'unix'), /transparent/i);
});

test('a fatal error ends with status 1, under abort_on_error with a core', async (t) => {
  const { service, exits } = await startedService(t);
  service.fatal(new Error('gone'));
  await service.execute('abort_on_error', 'unix');
  service.fatal(new Error('gone'));
  assert.deepEqual(exits, [1, -1]);
});

test('debug decides what is logged', async (t) => {
  const { service, logged } = await startedService(t);
  await service.execute('mode', 'unix');
  assert.deepEqual(logged, []);
  await service.execute('debug 1', 'unix');
  await service.execute('mode\n', 'tcp');
  assert.deepEqual(logged, ['command (tcp): mode']);
});
