/** `pen transparent-setup`: made, taken away without a trace, and each piece that is missing named. */
import assert from 'node:assert/strict';
import { chmodSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { bedMissing, type Host, type Ran } from '../support/bed.js';
import { pen as startPen } from '../support/pen.js';
import { commandOf } from '../support/process.js';
import { scratch } from '../support/scratch.js';
import { until } from '../support/wait.js';
import { CLIENT, FRONT, fetchFrom, lastSeen, type Network, network, site, WWW1 } from './transparent.scene.js';

const skip = bedMissing('nginx', 'curl', 'nft', 'iptables-save', 'unshare', 'setpriv', 'ss');
const PROGRAM = [process.execPath, ...commandOf('pen'), 'transparent-setup'];

function setUp(host: Host, ...words: string[]): Promise<Ran> {
  const [program = '', ...rest] = PROGRAM;
  return host.try(program, [...rest, ...words]);
}

async function mustSetUp(host: Host, ...words: string[]): Promise<string> {
  const { status, stdout, stderr } = await setUp(host, ...words);
  assert.equal(status, 0, stderr);
  return stdout;
}

/** Everything that a set-up could leave a trace in. */
async function dump(host: Host): Promise<string> {
  const commands = [
    'nft list ruleset',
    'ip rule',
    'ip -6 rule',
    'ip route show table all',
    'ip -6 route show table all',
    'grep -r . /proc/sys/net/ipv4/ip_forward /proc/sys/net/ipv4/conf /proc/sys/net/ipv6/conf',
  ];
  const dumps = await Promise.all(commands.map((command) => host.run('sh', ['-c', `${command} 2>/dev/null || true`])));
  return dumps.join('---\n');
}

/** What an administrator may have there already, and must find again. */
async function furnish({ balancer }: Network): Promise<void> {
  await balancer.run('nft', [
    'add table inet other { chain c { type filter hook prerouting priority -150; iifname nowhere meta mark set 7; }; }',
  ]);
  await balancer.ip('rule', 'add', 'pref', '500', 'fwmark', '7', 'lookup', '700');
  await balancer.ip('route', 'add', '10.99.0.0/16', 'via', WWW1[4], 'table', '700');
}

async function serves(t: TestContext, net: Network, how: string): Promise<void> {
  const www1 = await site(t, net.www1);
  const balancer = await startPen(t, {
    options: ['-O', 'transparent'],
    listen: '0.0.0.0:80',
    servers: [`${WWW1[4]}:80`],
    namespace: net.balancer.namespace,
  });
  assert.equal(await fetchFrom(net.client, `http://${FRONT[4]}/${how}`), 'www1');
  assert.equal((await lastSeen(www1, `/${how}`)).address, CLIENT[4]);
  await balancer.stop();
}

test('--apply, a run and --undo leave everything as it was', { skip }, async (t) => {
  const net = await network(t);
  await furnish(net);
  const { balancer } = net;
  const before = await dump(balancer);
  assert.equal(await mustSetUp(balancer, '--undo'), 'nothing to do\n');
  await mustSetUp(balancer, '--apply');
  const applied = await dump(balancer);
  assert.notEqual(applied, before);
  assert.match(await mustSetUp(balancer, '--apply'), /^nft -f - .*\n$/, 'the firewall alone is written again, whole');
  assert.equal(await dump(balancer), applied, 'applying twice is applying once');
  await serves(t, net, 'applied');
  await mustSetUp(balancer, '--apply', '--table', '99', '--mark', '0x99', '--listen', '80:8080', '--listen', 'udp:53');
  await mustSetUp(balancer, '--apply');
  assert.equal(await dump(balancer), applied, 'what another --apply has made gives way');
  assert.match(
    await mustSetUp(balancer, '--undo'),
    /^nft -f - .*\nip -4 rule del .*\nip -6 rule del .*\nip -4 route del .*\nip -6 /,
  );
  assert.equal(await dump(balancer), before);
});

test('--print gives a script that does what --apply does', { skip }, async (t) => {
  const { balancer } = await network(t);
  const words = ['--table', '77', '--mark', '0x77', '--listen', '80:8080', '--from', 'lan'];
  const script = await mustSetUp(balancer, '--print', ...words);
  const before = await dump(balancer);
  await balancer.run('sh', ['-e', '-c', script]);
  const printed = await dump(balancer);
  await mustSetUp(balancer, '--undo');
  assert.equal(await dump(balancer), before);
  await mustSetUp(balancer, '--apply', ...words);
  assert.equal(await dump(balancer), printed);
});

test('where only iptables is there, that is used', { skip }, async (t) => {
  const net = await network(t);
  const { balancer } = net;
  // Listing creates the tables that iptables on nftables works in.
  const saves = async () => {
    const all = await Promise.all(
      ['iptables-save', 'ip6tables-save'].map((save) => balancer.run(save, ['-t', 'mangle'])),
    );
    return all.join('').replaceAll(/^#.*\n|\[\d+:\d+\]/gm, '');
  };
  await balancer.run('sh', [
    '-c',
    'for i in iptables ip6tables; do $i -t mangle -A PREROUTING -m mark --mark 7 -j ACCEPT; done',
  ]);
  const before = [await dump(balancer), await saves()];
  const hidden = async (...words: string[]) => {
    const script = 'mount --bind /dev/null "$(command -v nft)" && exec "$@"';
    return await balancer.run('unshare', ['-m', 'sh', '-c', script, 'sh', ...PROGRAM, ...words]);
  };
  assert.match(await hidden('--apply'), /^iptables-restore --noflush \(chain PEN_TRANSPARENT\)$/m);
  const applied = await saves();
  assert.notEqual(applied, before[1]);
  await hidden('--apply');
  assert.equal(await saves(), applied, 'applying twice is applying once');
  await serves(t, net, 'iptables');
  const check = await mustSetUp(balancer, '--check', `${WWW1[4]}:80`);
  assert.match(check, /^good: divert rule: IPv4 replies are marked with 0x70656e$/m);
  // With nft back: what is ours is found all the same.
  await mustSetUp(balancer, '--undo');
  assert.deepEqual([await dump(balancer), await saves()], before);
});

test('--apply changes nothing when it fails part-way, and refuses what is in use by others', { skip }, async (t) => {
  const net = await network(t);
  const { balancer } = net;
  await furnish(net);
  const before = await dump(balancer);
  const folder = scratch(t);
  writeFileSync(join(folder, 'nft'), '#!/bin/sh\n[ "$1" = -f ] || exit 0\necho "Error: no room" >&2\nexit 1\n');
  chmodSync(join(folder, 'nft'), 0o755);
  const failed = await balancer.try('env', [`PATH=${folder}:${process.env.PATH}`, ...PROGRAM, '--apply']);
  assert.equal(failed.status, 1);
  assert.match(
    failed.stderr,
    /^pen: cannot nft -f - \(table inet pen_transparent\): Error: no room \(nothing was changed\)\n$/,
  );
  assert.equal(await dump(balancer), before);

  const mark = await setUp(balancer, '--apply', '--mark', '7');
  assert.match(mark.stderr, /^pen: cannot use mark 0x7: a routing rule of others has it \(choose one with --mark\)\n$/);
  const table = await setUp(balancer, '--apply', '--table', '700');
  assert.match(table.stderr, /^pen: cannot use table 700: it has routes of others \(choose one with --table\)\n$/);
  assert.deepEqual([mark.status, table.status], [1, 1]);
  assert.equal(await dump(balancer), before);
});

interface Piece {
  readonly name: string;
  /** What --check and the log call it. */
  readonly want: RegExp;
  remove(net: Network): Promise<unknown>;
  restore(net: Network): Promise<unknown>;
}

const again = ({ balancer }: Network) => mustSetUp(balancer, '--apply');
const pieces: readonly Piece[] = [
  {
    name: 'the divert rule',
    want: /missing: divert rule: no IPv4 .*\(type: pen transparent-setup --apply\)$/m,
    remove: ({ balancer }) => balancer.run('nft', ['delete table inet pen_transparent']),
    restore: again,
  },
  {
    name: 'the routing rule',
    want: /missing: routing rule: no IPv4 routing rule for mark 0x70656e \(type: ip -4 rule add pref 736 .*\)$/m,
    remove: ({ balancer }) => balancer.ip('rule', 'del', 'pref', '736'),
    restore: again,
  },
  {
    name: 'the route',
    want: /missing: route: IPv4 table 736 has no local default route \(type: ip -4 route add local default .*\)$/m,
    remove: ({ balancer }) => balancer.ip('route', 'flush', 'table', '736'),
    restore: again,
  },
  {
    name: 'forwarding',
    want: /missing: forwarding: this host forwards no IPv4: .* \(type: sysctl -w net\.ipv4\.ip_forward=1\)$/m,
    remove: ({ balancer }) => balancer.sysctl('net.ipv4.ip_forward=0'),
    restore: ({ balancer }) => balancer.sysctl('net.ipv4.ip_forward=1'),
  },
  {
    name: 'a reverse path filter that takes no marks',
    want: /missing: rp_filter: src_valid_mark on .*dmz.* \(type: sysctl -w net\.ipv4\.conf\.all\.src_valid_mark=0 .*\)$/m,
    remove: ({ balancer }) => balancer.sysctl('net.ipv4.conf.dmz.src_valid_mark=1'),
    restore: ({ balancer }) => balancer.sysctl('net.ipv4.conf.dmz.src_valid_mark=0'),
  },
  {
    // The server's replies to strangers take another way than what is sent to it.
    name: 'a reverse path filter that lets replies in',
    want: /missing: rp_filter: replies of 10\.72\.0\.21 port 80 come in where .* \(type: sysctl -w .*rp_filter=2.*\)$/m,
    async remove({ balancer, www1, bed }) {
      await www1.ip('link', 'add', 'side', 'type', 'veth', 'peer', 'name', 'side', 'netns', bed.host('pen').namespace);
      await www1.sysctl('net.ipv4.conf.all.arp_announce=2');
      await www1.ip('address', 'add', '10.73.0.21/24', 'dev', 'side');
      await www1.ip('link', 'set', 'side', 'up');
      await balancer.ip('address', 'add', '10.73.0.1/24', 'dev', 'side');
      await balancer.ip('link', 'set', 'side', 'up');
      await balancer.sysctl('net.ipv4.conf.side.rp_filter=1');
      await www1.ip('route', 'replace', 'default', 'via', '10.73.0.1');
    },
    async restore({ www1 }) {
      await www1.ip('link', 'del', 'side');
      await www1.ip('route', 'add', 'default', 'via', '10.72.0.1');
    },
  },
  {
    name: 'the return path',
    want: /missing: return path: replies of 10\.72\.0\.21 port 80 to 192\.0\.2\.1 do not come back .* \(type: on the server: ip route replace default via 10\.72\.0\.1\)$/m,
    remove: ({ www1 }) => www1.ip('route', 'replace', 'default', 'via', '10.72.0.99'),
    restore: ({ www1 }) => www1.ip('route', 'replace', 'default', 'via', '10.72.0.1'),
  },
];

test('--check and the starting pen name each piece that is missing', { skip, timeout: 120_000 }, async (t) => {
  const net = await network(t);
  await site(t, net.www1);
  await mustSetUp(net.balancer, '--apply');
  const server = `${WWW1[4]}:80`;
  const start = () =>
    startPen(t, {
      options: ['-u', 'nobody', '-O', 'transparent'],
      listen: '0.0.0.0:80',
      servers: [server],
      namespace: net.balancer.namespace,
    });
  const isWhole = async () => {
    const check = await mustSetUp(net.balancer, '--check', server);
    assert.doesNotMatch(check, /^(missing|unknown)/m);
    assert.match(check, /^good: return path: 10\.72\.0\.21 port 80 answers 192\.0\.2\.1 through this host$/m);
  };
  await isWhole();
  const quiet = await start();
  assert.equal(await fetchFrom(net.client, `http://${FRONT[4]}/`), 'www1');
  await quiet.stop();
  assert.doesNotMatch(quiet.log(), /missing|unknown/);

  for (const { name, want, remove, restore } of pieces) {
    await remove(net);
    const { status, stdout } = await setUp(net.balancer, '--check', server);
    assert.equal(status, 1, `without ${name}: ${stdout}`);
    assert.match(stdout, want, `without ${name}`);
    const warning = new RegExp(`transparent: ${want.source}`, 'm');
    const balancer = await start();
    await until(`a warning that ${name} is missing; the log: ${balancer.log()}`, () => warning.test(balancer.log()));
    assert.equal([...balancer.log().matchAll(/missing: /g)].length, 1, `${name} alone: ${balancer.log()}`);
    await balancer.stop();
    await restore(net);
    await isWhole();
  }
});

test('--check names the capability that is missing, and a server that is this host', { skip }, async (t) => {
  const net = await network(t);
  const without = ['--bounding-set', '-net_admin,-net_raw', ...PROGRAM, '--check'];
  const { status, stdout } = await net.balancer.try('setpriv', without);
  assert.equal(status, 1);
  assert.match(stdout, /^missing: capability: EPERM \(it takes CAP_NET_ADMIN: .*\) \(type: sudo pen .*\)$/m);
  assert.match(stdout, /^unknown: divert rule: the firewall's rules cannot be seen, /m);
  const local = await setUp(net.balancer, '--check', '10.72.0.1:80', '[fd72::21]:9');
  assert.match(local.stdout, /^missing: server: 10\.72\.0\.1 port 80 is this host itself: /m);
  // A refusal is an answer, but this one has to find its way first.
  assert.match(
    local.stdout,
    /^unknown: return path: fd72::21 port 9 does not answer 2001:db8::1, which may be for what /m,
  );
});

test('a pen that turns transparent on later warns as a starting one does', { skip }, async (t) => {
  const net = await network(t);
  await site(t, net.www1);
  const balancer = await startPen(t, {
    listen: '0.0.0.0:80',
    servers: [`${WWW1[4]}:80`],
    namespace: net.balancer.namespace,
  });
  assert.doesNotMatch(balancer.log(), /missing/);
  assert.equal(await balancer.ask('transparent'), '');
  await until('a warning', () => /transparent: missing: divert rule: /.test(balancer.log()));
  // Replies that do not come back are told of while they fail to.
  await balancer.ask('timeout 1');
  await net.client.try('curl', ['-sS', '-m', '3', `http://${FRONT[4]}/`]);
  await until('a warning', () =>
    /transparent: 1 connection not answered: do the replies lead back/.test(balancer.log()),
  );
});
