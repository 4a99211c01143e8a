/** How `dsr_mode auto` chooses, and what a mode that is not to be had says. */
import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { test } from 'node:test';
import { type Bed, bedMissing, type Host } from '../support/bed.js';
import { ask, dsrBed, site, VIP } from '../support/dsr-bed.js';
import type { Scene } from '../support/ending.js';
import { pen } from '../support/pen.js';
import { type Outcome, start } from '../support/process.js';
import { until, within } from '../support/wait.js';

const skip = bedMissing('setpriv', 'nginx', 'curl');

/** Runs pen on the balancer to its end, which must come by itself. */
async function refused(t: Scene, bed: Bed, args: readonly string[]): Promise<Outcome> {
  const { child, ended } = start('pen', ['-f', ...args], { namespace: bed.host('balancer').namespace });
  t.after(() => child.kill('SIGKILL'));
  return await within(`end of pen ${args.join(' ')}`, ended);
}

/** The balancer's interface becomes the port of a bridge, which has no XDP in its driver. */
async function bridged(balancer: Host): Promise<void> {
  await balancer.ip('link', 'add', 'br0', 'type', 'bridge');
  await balancer.ip('link', 'set', 'lan', 'master', 'br0');
  await balancer.ip('address', 'flush', 'dev', 'lan');
  await balancer.ip('address', 'add', '10.7.0.2/24', 'dev', 'br0');
  await balancer.ip('link', 'set', 'br0', 'up');
}

test('dsr_mode auto takes packet rings where it may not use XDP, and says why', { skip }, async (t) => {
  const { client, servers, balancer, addressOf } = await dsrBed(t, 1, { mode: 'packet' });
  await site(t, servers[0]);
  const running = await pen(t, {
    before: ['setpriv', '--bounding-set=-all,+net_raw,+dac_override', '--inh-caps=-all'],
    options: ['-O', 'dsr_if lan'],
    listen: `${VIP}:80`,
    servers: [addressOf(0)],
    namespace: balancer.namespace,
  });
  assert.match(
    running.log(),
    /serving 10\.7\.0\.80:80 by direct return \(packet mode on lan, through this process, as there is no XDP; cannot .*EPERM/,
  );
  assert.deepEqual(await ask(client, `http://${VIP}/`, 3), ['www1', 'www1', 'www1']);
});

test("packet: a VIP is one pen's on an interface, from the start or later, until that pen ends or dies", {
  skip,
}, async (t) => {
  const made = await dsrBed(t, 1, { mode: 'packet' });
  const { addressOf, pen: start } = made;
  const only = ['-O', 'dsr_if lan', '-O', 'dsr_mode packet'];
  const first = await start({ options: ['-O', 'dsr_if lan'], listen: `${VIP}:80`, servers: [addressOf(0)] });
  const { status, stderr } = await refused(t, made, [...only, VIP, addressOf(0)]);
  assert.equal(status, 1);
  assert.match(
    stderr,
    /^pen: cannot return directly for '10\.7\.0\.80': another pen has it on 'lan' in packet mode, [^\n]*\n$/,
  );
  const second = await start({ options: ['-O', 'dsr_if lan'], listen: '10.7.0.81:80', servers: [addressOf(0)] });
  const service = (address: string) => `dsr_vip ${address}:443 server ${addressOf(0)}`;
  const taken = (address: string) =>
    new RegExp(`^error: .*cannot return directly for '${address}': another pen has it`);
  assert.match(await second.ask(service(VIP)), taken(VIP));
  assert.doesNotMatch(await second.ask('dsr'), new RegExp(`^vip ${VIP}:`, 'm'));
  assert.doesNotMatch(await second.ask(service('10.7.0.82')), /error/);
  assert.match(await first.ask(service('10.7.0.82')), taken('10.7.0.82'));
  assert.match(await first.ask('listen 10.7.0.82:80'), taken('10.7.0.82'));
  await second.ask('no dsr_vip 10.7.0.82:443');
  assert.doesNotMatch(await first.ask(service('10.7.0.82')), /error/);
  // Whatever kind of death.
  first.signal('SIGKILL');
  await within('its death', first.ended);
  assert.doesNotMatch(await second.ask(service(VIP)), /error/);
});

test('a mode that is not to be had says so in one line', { skip }, async (t) => {
  const made = await dsrBed(t, 1);
  await bridged(made.balancer);
  const rows: [mode: string, line: RegExp][] = [
    ['xdp', /^pen: cannot attach program 'pen_dsr' to 'br0' in native mode: \w+ \(.*try generic\)\n$/],
    ['warp', /^pen: .*dsr_mode: expected auto, xdp, generic, packet, netmap, got 'warp'\n$/],
  ];
  if (!existsSync('/dev/netmap')) {
    rows.push(['netmap', /^pen: cannot open '\/dev\/netmap': ENOENT \(no netmap here: .*load its module\)\n$/]);
  }
  for (const [mode, line] of rows) {
    const args = ['-O', 'dsr_if br0', '-O', `dsr_mode ${mode}`, `${VIP}:80`, made.addressOf(0)];
    const { status, stderr } = await refused(t, made, args);
    assert.notEqual(status, 0, mode);
    assert.match(stderr, line, mode);
  }
});

test('packet mode survives that its interface goes down, and ends when it goes away', { skip }, async (t) => {
  const made = await dsrBed(t, 1, { mode: 'packet' });
  await site(t, made.servers[0]);
  const running = await made.pen({ options: ['-O', 'dsr_if lan'], listen: `${VIP}:80`, servers: [made.addressOf(0)] });
  assert.deepEqual(await ask(made.client, `http://${VIP}/`, 1), ['www1']);
  await made.balancer.ip('link', 'set', 'lan', 'down');
  await until('the server is missed', async () => /state silent/.test(await running.ask('dsr')));
  await made.balancer.ip('link', 'set', 'lan', 'up');
  await until('it is found again', async () => /state in-service/.test(await running.ask('dsr')));
  assert.deepEqual(await ask(made.client, `http://${VIP}/`, 1), ['www1']);
  await made.balancer.ip('link', 'del', 'lan');
  const { status, stderr } = await within('its end', running.ended);
  assert.equal(status, 1);
  assert.match(stderr, /^pen: fatal: cannot return directly on 'lan' any more: /m);
});
