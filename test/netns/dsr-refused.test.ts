import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type Bed, bedMissing } from '../support/bed.js';
import { dsrBed, VIP } from '../support/dsr-bed.js';
import type { Scene } from '../support/ending.js';
import { type Outcome, start } from '../support/process.js';
import { until, within } from '../support/wait.js';

const skip = bedMissing('setpriv');

/** Runs pen on the balancer to its end, which must come by itself. */
async function refused(t: Scene, bed: Bed, args: readonly string[], before: readonly string[] = []): Promise<Outcome> {
  const { namespace } = bed.host('balancer');
  const { child, ended } = start('pen', ['-f', ...args], { namespace, before });
  t.after(() => child.kill('SIGKILL'));
  return await within(`end of pen ${args.join(' ')}`, ended);
}

test('pen -O dsr_if says in one line what is wrong', { skip }, async (t) => {
  const made = await dsrBed(t, 1);
  await made.balancer.ip('address', 'add', '10.7.0.99/24', 'dev', 'lan');
  const server = made.addressOf(0);
  const rows: readonly [name: string, args: readonly string[], line: RegExp][] = [
    [
      'no such interface',
      ['-O', 'dsr_if eth9', `${VIP}:80`, server],
      /^pen: cannot return directly on 'eth9': no such interface\n$/,
    ],
    [
      'no Ethernet',
      ['-O', 'dsr_if lo', `${VIP}:80`, server],
      /^pen: cannot return directly on 'lo': it is no Ethernet\n$/,
    ],
    [
      "the VIP is the interface's",
      ['-O', 'dsr_if lan', '10.7.0.99:80', server],
      /^pen: cannot return directly for '10\.7\.0\.99': it is an address of 'lan' itself \(ip address del 10\.7\.0\.99 dev lan: only the servers have it, on lo\)\n$/,
    ],
    ['no VIP', ['-O', 'dsr_if lan', '80', server], /^pen: cannot return directly for '0\.0\.0\.0:80': not an address /],
    ['a Unix socket', ['-O', 'dsr_if lan', '/tmp/x', server], /^pen: .*\n$/],
    [
      'another port',
      ['-O', 'dsr_if lan', `${VIP}:80`, `${server}:8080`],
      /^pen: server 0 '10\.7\.0\.21:8080': its port must be the VIP's, which has port 80 /,
    ],
    [
      'a limit',
      ['-O', 'dsr_if lan', `${VIP}:80`, `${server}:80:5`],
      /^pen: server 0 '10\.7\.0\.21:80': max and hard do not go with dsr_if /,
    ],
    ['requests', ['-H', '-O', 'dsr_if lan', `${VIP}:80`, server], /^pen: http does not go with dsr_if /],
    [
      'the VIP as its own server',
      ['-O', 'dsr_if lan', `${VIP}:80`, VIP],
      /^pen: server 0 '10\.7\.0\.80:80': it is the VIP /,
    ],
    ['no port without dsr_if', [VIP, server], /^pen: .*has no port/],
    ['a name that is none', ['-O', 'dsr_if a/b', `${VIP}:80`, server], /'a\/b' is no name of an interface/],
  ];
  for (const [name, args, line] of rows) {
    const { status, stderr } = await refused(t, made, args);
    assert.notEqual(status, 0, name);
    assert.match(stderr, line, name);
    assert.equal(stderr.trimEnd().split('\n').length, 1, `${name}: ${stderr}`);
  }
});

test("pen -O dsr_if refuses the interface's own address though its cable is out", { skip }, async (t) => {
  const made = await dsrBed(t, 1);
  await made.balancer.ip('link', 'add', 'idle', 'type', 'veth', 'peer', 'name', 'other');
  await made.balancer.ip('link', 'set', 'idle', 'up');
  await made.balancer.ip('address', 'add', '10.9.0.80/24', 'dev', 'idle');
  const { status, stderr } = await refused(t, made, ['-O', 'dsr_if idle', '10.9.0.80:80', '10.9.0.21']);
  assert.equal(status, 1);
  assert.match(stderr, /^pen: cannot return directly for '10\.9\.0\.80': it is an address of 'idle' itself [^\n]*\n$/);
});

test('pen -O dsr_if needs root, and says so', { skip }, async (t) => {
  const made = await dsrBed(t, 1);
  const nobody = ['setpriv', '--reuid=65534', '--clear-groups', '--inh-caps=-all', '--bounding-set=-all'];
  const { status, stderr } = await refused(t, made, ['-O', 'dsr_if lan', `${VIP}:80`, made.addressOf(0)], nobody);
  assert.equal(status, 1);
  assert.match(stderr, /^pen: cannot .*EPERM.*\n$/);
});

test('pen -O dsr_if says which servers are out of reach, and starts', { skip }, async (t) => {
  const { pen, addressOf } = await dsrBed(t, 1);
  const running = await pen({
    options: ['-O', 'dsr_if lan'],
    listen: `${VIP}:80`,
    servers: [addressOf(0), '10.8.0.1', '10.7.0.77'],
  });
  assert.match(
    running.log(),
    /server 1 \(10\.8\.0\.1\) is in no network of 'lan': only what is on that link can be reached/,
  );
  await until('it says so of the silent one', () =>
    /server 2 \(10\.7\.0\.77\) does not answer on 'lan' \(is it on that link\?\)/.test(running.log()),
  );
  assert.match(await running.ask('dsr'), /^real 0 .* state in-service slots 65537 /m);
  assert.match(await running.ask('server 0 port 81'), /^error: .*its port must be the VIP's/);
  assert.match(await running.ask('server 0 max 3'), /^error: .*max and hard do not go with dsr_if/);
  assert.match(
    await running.ask('dsr_if eth1'),
    /^error: dsr_if: pen returns directly on 'lan' \(to change it restart with -O "dsr_if eth1"\)$/,
  );
});

test('pen -O dsr_if falls back to generic mode where the driver cannot, and leaves nothing attached', {
  skip,
}, async (t) => {
  const { pen, addressOf, balancer } = await dsrBed(t, 1);
  // A bridge has no XDP of its own.
  await balancer.ip('link', 'add', 'br0', 'type', 'bridge');
  await balancer.ip('link', 'set', 'lan', 'master', 'br0');
  await balancer.ip('address', 'flush', 'dev', 'lan');
  await balancer.ip('address', 'add', '10.7.0.2/24', 'dev', 'br0');
  await balancer.ip('link', 'set', 'br0', 'up');
  const running = await pen({ options: ['-O', 'dsr_if br0'], listen: `${VIP}:80`, servers: [addressOf(0)] });
  assert.match(
    running.log(),
    /by direct return \(generic mode on br0, behind the driver, which costs speed; .*EOPNOTSUPP/,
  );
  assert.match(await balancer.ip('link', 'show', 'br0'), /xdpgeneric/);
  await running.stop();
  assert.doesNotMatch(await balancer.ip('link', 'show', 'br0'), /xdp/);
});
