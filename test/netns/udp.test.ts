/** UDP on hosts that lack something: a way to the server, ports. In namespaces, where that can be arranged. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { bed, bedMissing, type Host } from '../support/bed.js';
import { pen } from '../support/pen.js';
import { until } from '../support/wait.js';

const skip = bedMissing('ss');
const LISTEN = '127.0.0.1:5300';

/** Has `count` clients from local port `first` on ask once each; how many were answered within half a second. */
async function ask(host: Host, first: number, count: number): Promise<number> {
  const script = `
    const { createSocket } = require('node:dgram');
    let answered = 0;
    for (let i = 0; i < ${count}; i++) {
      const client = createSocket('udp4').on('message', () => answered++);
      client.bind(${first} + i, '127.0.0.1', () => client.send('hello', 5300, '127.0.0.1'));
    }
    setTimeout(() => { console.log(answered); process.exit(); }, 500);`;
  return Number(await host.run(process.execPath, ['-e', script]));
}

for (const engine of ['uring', 'epoll', 'node']) {
  test(`${engine} UDP: no way to the only server is counted, and not tried for ever`, { skip }, async (t) => {
    const net = await bed(t, { hosts: { balancer: { lan: ['10.0.0.1/24'] }, server: { lan: ['10.0.0.2/24'] } } });
    const host = net.host('balancer');
    const { namespace } = host;
    const script = { options: ['-U'], listen: LISTEN, servers: ['10.0.0.2:53'], namespace, engine };
    const balancer = await pen(t, script);
    await ask(host, 4000, 1);
    await host.ip('link', 'set', 'lan', 'down');
    await ask(host, 4000, 1);
    await until('it is counted', async () => /^unreachable [1-9]/m.test(await balancer.ask('drops')));
    // Its worker is not busy: it ends.
    await balancer.stop();
  });

  // Node tells only later why a socket could not be connected.
  if (engine === 'node') continue;
  test(`${engine} UDP: where ports have run out newcomers are served, and ports come back`, { skip }, async (t) => {
    const host = (await bed(t, { hosts: { balancer: { lan: ['10.0.0.1/24'] } } })).host('balancer');
    const { namespace } = host;
    const echo = `require('node:dgram').createSocket('udp4').on('message', function (bytes, { port, address }) {
      this.send(bytes, port, address); }).bind(5353, '127.0.0.1')`;
    host.start(t, process.execPath, ['-e', echo]);
    await host.sysctl('net.ipv4.ip_local_port_range=40000 40199');
    const options = ['-U', '-O', 'udp_timeout 2'];
    const balancer = await pen(t, { options, listen: LISTEN, servers: ['127.0.0.1:5353'], namespace, engine });
    await until('the server answers', async () => (await ask(host, 10_000, 1)) === 1);
    // More at once than there are ports: some are lost, and it is learnt how many there are.
    await ask(host, 11_000, 600);
    for (let wave = 0; wave < 4; wave++) assert.equal(await ask(host, 12_000 + wave * 60, 60), 60);
    assert.match(await balancer.ask('drops'), /^evicted [1-9]/m);
    await until(
      'all ports are free',
      async () => !/127\.0\.0\.1:40\d\d\d /.test(await host.run('ss', ['-Huan'])),
      10_000,
    );
  });
}
