/** Direct server return on an interface that comes up after it, or goes away. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { bedMissing, Host } from '../support/bed.js';
import { ask, capture, dsrBed, site, VIP, VIP6 } from '../support/dsr-bed.js';
import { until, within } from '../support/wait.js';

const skip = bedMissing('nginx', 'curl', 'ping', 'tcpdump');

test('dsr_if finds IPv6 servers though its interface comes up after it', { skip }, async (t) => {
  const made = await dsrBed(t, 1);
  await made.balancer.ip('link', 'set', 'lan', 'down');
  const server = `[${made.address6Of(0)}]`;
  const balancer = await made.pen({ options: ['-O', 'dsr_if lan'], listen: `[${VIP6}]:80`, servers: [server] });
  assert.match(await balancer.ask('dsr'), /state silent/);
  await made.balancer.ip('link', 'set', 'lan', 'up');
  await until('it is found', async () => /state in-service/.test(await balancer.ask('dsr')));
});

test('dsr_if ends with a line that says so when its interface goes away', { skip }, async (t) => {
  const made = await dsrBed(t, 1);
  const servers = [made.addressOf(0)];
  const balancer = await made.pen({ options: ['-O', 'dsr_if lan'], listen: `${VIP}:80`, servers });
  await made.balancer.ip('link', 'del', 'lan');
  const { status, stderr } = await within('its end', balancer.ended);
  assert.equal(status, 1);
  assert.match(
    stderr,
    /^pen: fatal: cannot return directly on 'lan' any more: the interface has gone, .*start pen again when it is back\)$/m,
  );
});

test('an IPv6 VIP is found behind a switch that sends groups only to who has joined them', { skip }, async (t) => {
  const made = await dsrBed(t, 1);
  const { client, servers, balancer } = made;
  await site(t, servers[0]);
  const hub = new Host('hub', balancer.namespace.replace(/balancer$/, 'hub'));
  const snooping = ['mcast_snooping', '1', 'mcast_querier', '1', 'mcast_query_response_interval', '50'];
  await hub.ip('link', 'set', 'lan', 'type', 'bridge', ...snooping);
  // Until it has heard everybody it sends all to all. The ping to all of them tells that what came before it would be here.
  const { frames } = await capture(t, balancer, 'icmp6');
  const heard = (type: number) => frames().filter((frame) => frame[54] === type).length;
  await until('groups that nobody has joined are not sent on', async () => {
    const [echoes, questions] = [heard(128), heard(135)];
    await client.try('ping', ['-6', '-c1', '-W1', 'fd07::99']);
    await client.try('ping', ['-6', '-c1', '-W1', 'ff02::1%lan']);
    await until('the ping is heard', () => heard(128) > echoes);
    return heard(135) === questions;
  });
  const server = `[${made.address6Of(0)}]`;
  const vip2 = 'fd07::1:2';
  await servers[0].ip('address', 'add', `${vip2}/128`, 'dev', 'lo', 'nodad');
  const told = await capture(t, client, 'icmp6 and ip6[40] == 136 and dst host ff02::1');
  const running = await made.pen({ options: ['-O', 'dsr_if lan'], listen: `[${VIP6}]:80`, servers: [server] });
  await running.ask(`dsr_vip [${vip2}]:80 server ${made.address6Of(0)}`);
  // Twice for the first one, then twice for both: whoever asks meanwhile may live on these.
  await until('the announcements are over', () => told.frames().length >= 5);
  for (const vip of [VIP6, vip2]) {
    await client.ip('-6', 'neighbour', 'flush', 'dev', 'lan');
    assert.deepEqual(await ask(client, `http://[${vip}]/`, 1), ['www1']);
  }
  await running.stop();
  assert.doesNotMatch(await balancer.run('ip', ['maddress', 'show', 'dev', 'lan']), /ff02::1:ff00:80|ff02::1:ff01:2/);
});

test('dsr_if ends when its interface gets another name, though another one gets its own', { skip }, async (t) => {
  const made = await dsrBed(t, 1);
  const servers = [made.addressOf(0)];
  const balancer = await made.pen({ options: ['-O', 'dsr_if lan'], listen: `${VIP}:80`, servers });
  // In one go, lest it be seen that for a moment there is none.
  const renamed = ['link set lan down', 'link set lan name old', 'link add lan type veth peer name other'];
  await made.balancer.run('sh', ['-c', 'printf "%s\\n" "$@" | ip -batch -', 'sh', ...renamed]);
  const { status, stderr } = await within('its end', balancer.ended);
  assert.equal(status, 1);
  assert.match(
    stderr,
    /^pen: fatal: cannot return directly on 'lan' any more: the interface has gone, or has another name, /m,
  );
});

test('packet: an MTU that changes is said, as the rings are made for one', { skip }, async (t) => {
  const made = await dsrBed(t, 1, { mode: 'packet' });
  const servers = [made.addressOf(0)];
  const running = await made.pen({ options: ['-O', 'dsr_if lan'], listen: `${VIP}:80`, servers });
  await made.balancer.ip('link', 'set', 'lan', 'mtu', '1400');
  await until('it says so', () =>
    /'lan' has an MTU of 1400 now, packet mode was made for 1500: .* are lost \(start pen again\)/.test(running.log()),
  );
});
