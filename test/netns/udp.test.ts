/** UDP on hosts that lack something: a way to the server. In namespaces, where that can be arranged. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { bed, bedMissing, type Host } from '../support/bed.js';
import { pen } from '../support/pen.js';
import { until } from '../support/wait.js';

const skip = bedMissing();
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
}
