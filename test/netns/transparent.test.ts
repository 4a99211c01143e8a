/** `transparent` where it matters: servers that see the clients' own addresses and answer them through the balancer. */
import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { chooseEngine } from '../../src/engine/choose.js';
import type { EngineName } from '../../src/engine/engine.js';
import { bedMissing } from '../support/bed.js';
import { type PenScript, pen as startPen } from '../support/pen.js';
import { commandOf } from '../support/process.js';
import { until } from '../support/wait.js';
import {
  BACK,
  CLIENT,
  FRONT,
  fetchFrom,
  lastSeen,
  type Network,
  network,
  OTHER,
  site,
  WWW1,
  WWW2,
} from './transparent.scene.js';

const needed = bedMissing('nginx', 'curl', 'ab', 'nft', 'ss');
const engines: EngineName[] = ['uring', 'epoll', 'poll'];

function onEachEngine(name: string, play: (t: TestContext, engine: EngineName) => Promise<void>): void {
  for (const engine of engines) {
    test(`${name} (${engine})`, { skip: needed, timeout: 120_000 }, async (t) => {
      const why = await chooseEngine(engine).then(
        () => '',
        (error: Error) => error.message,
      );
      if (why !== '') return t.skip(why);
      await play(t, engine);
    });
  }
}

/** A pen on the balancer, all that it must keep being CAP_NET_ADMIN. */
function pen(t: TestContext, { balancer }: Network, script: PenScript) {
  const options = ['-u', 'nobody', '-x', '2000', ...(script.options ?? [])];
  return startPen(t, { threads: 2, ...script, options, namespace: balancer.namespace });
}

function setUp({ balancer }: Network, ...words: string[]) {
  return balancer.run(process.execPath, [...commandOf('pen'), 'transparent-setup', ...words]);
}

onEachEngine(
  'servers see the address of the client over IPv4 and IPv6, without transparent that of pen',
  async (t, engine) => {
    const net = await network(t);
    const www1 = await site(t, net.www1);
    await setUp(net, '--apply');
    for (const family of [4, 6] as const) {
      const [server, front] = family === 4 ? [WWW1[4], FRONT[4]] : [`[${WWW1[6]}]`, `[${FRONT[6]}]`];
      // A wildcard listener of IPv6 also for IPv4, whose clients then look like ::ffff:10.71.0.10.
      const options = ['-O', 'transparent'];
      const balancer = await pen(t, net, { engine, options, listen: ':::8080', servers: [`${server}:80`] });
      assert.equal(await fetchFrom(net.client, `http://${front}:8080/own${family}`), 'www1');
      assert.equal((await lastSeen(www1, `/own${family}`)).address, CLIENT[family]);
      assert.equal(await balancer.ask('no transparent'), '');
      assert.equal(await fetchFrom(net.client, `http://${front}:8080/pens${family}`), 'www1');
      assert.equal((await lastSeen(www1, `/pens${family}`)).address, BACK[family]);
      assert.equal(await balancer.ask('transparent'), '');
      assert.equal(await fetchFrom(net.other, `http://${front}:8080/others${family}`), 'www1');
      assert.equal((await lastSeen(www1, `/others${family}`)).address, OTHER[family]);
      assert.doesNotMatch(balancer.log(), /missing|transparent: \d/);
      await balancer.stop();
    }
  },
);

onEachEngine(
  '10,000 requests of two clients at once, 64 at a time: none fails, none is mixed up',
  async (t, engine) => {
    const net = await network(t);
    const sites = [await site(t, net.www1), await site(t, net.www2)];
    await setUp(net, '--apply');
    const servers = [`${WWW1[4]}:80`, `${WWW2[4]}:80`];
    const balancer = await pen(t, net, { engine, options: ['-r', '-O', 'transparent'], listen: '0.0.0.0:80', servers });
    const load = (who: Network['client'], path: string) =>
      who.run('ab', ['-q', '-n', '5000', '-c', '32', `http://${FRONT[4]}/${path}`]);
    for (const report of await Promise.all([load(net.client, 'one'), load(net.other, 'two')])) {
      assert.match(report, /^Complete requests: +5000$/m);
      assert.match(report, /^Failed requests: +0$/m);
    }
    const seen = sites.flatMap((one) => one.seen());
    assert.equal(seen.length, 10_000);
    const tally = new Map<string, number>();
    for (const { address, path } of seen) tally.set(`${address} ${path}`, (tally.get(`${address} ${path}`) ?? 0) + 1);
    assert.deepEqual(Object.fromEntries(tally), { [`${CLIENT[4]} /one`]: 5000, [`${OTHER[4]} /two`]: 5000 });
    assert.doesNotMatch(balancer.log(), /transparent: \d/);
  },
);

onEachEngine(
  'transparent port keeps the port of the client, or takes another where it is in use',
  async (t, engine) => {
    const net = await network(t);
    const www1 = await site(t, net.www1);
    await setUp(net, '--apply');
    const script = { engine, options: ['-O', 'transparent port', '-d'], servers: [`${WWW1[4]}:80`] };
    const first = await pen(t, net, { ...script, listen: '0.0.0.0:8001' });
    const second = await pen(t, net, { ...script, listen: '0.0.0.0:8002' });
    const [from, port] = [CLIENT[4], 5555];
    // One connection that stays, and a second from the same port of the client, to another port of the balancer.
    const talk = `
    const net = require('node:net');
    const dial = (port, path) => new Promise((resolve) => {
      const socket = net.connect({ host: '${FRONT[4]}', port, localAddress: '${from}', localPort: ${port} });
      socket.on('connect', () => socket.write('GET ' + path + ' HTTP/1.1\\r\\nHost: x\\r\\n\\r\\n'));
      socket.once('data', resolve).on('error', (error) => { console.error(error.message); process.exit(1); });
    });
    dial(8001, '/first').then(() => dial(8002, '/second')).then(() => process.exit(0));`;
    await net.client.run(process.execPath, ['-e', talk]);
    assert.deepEqual(await lastSeen(www1, '/first'), { address: from, port, path: '/first' });
    const other = await lastSeen(www1, '/second');
    assert.equal(other.address, from);
    assert.notEqual(other.port, port);
    await until('the log tells', () => /transparent: 1 connection made from another port/.test(second.log()));
    assert.match(await second.ask('status'), /from another port than the client 1,/);
    assert.match(await first.ask('status'), /from another port than the client 0,/);
  },
);

onEachEngine(
  'a client of another family than the server is served from pen, or refused with transparent strict',
  async (t, engine) => {
    const net = await network(t);
    const www1 = await site(t, net.www1);
    await setUp(net, '--apply');
    const script = { engine, options: ['-O', 'transparent'], listen: ':::80', servers: [`${WWW1[4]}:80`] };
    const balancer = await pen(t, net, script);
    for (let i = 0; i < 5; i++) await fetchFrom(net.client, `http://[${FRONT[6]}]/six`);
    assert.equal((await lastSeen(www1, '/six')).address, BACK[4]);
    const warning = /transparent: (\d) connections? made from this host's own address/g;
    await until('the log warns', () => warning.test(balancer.log()));
    assert.match(await balancer.ask('status'), /own address 5, refused 0,/);

    assert.equal(await balancer.ask('transparent strict'), '');
    const refused = await net.client.try('curl', ['-sS', '-g', '-m', '8', `http://[${FRONT[6]}]/strict`]);
    // Closed without an answer: with a reset if the request had come before.
    assert.ok([52, 56].includes(refused.status), `curl said ${refused.stderr}`);
    assert.equal(await fetchFrom(net.client, `http://${FRONT[4]}/four`), 'www1');
    assert.equal((await lastSeen(www1, '/four')).address, CLIENT[4]);
    await until('the log warns', () => /transparent: 1 connection not made/.test(balancer.log()));
    // Once for five connections, or twice if they fell on both sides of a look.
    assert.ok([...balancer.log().matchAll(warning)].length <= 2, balancer.log());
    // Nobody is blamed for it.
    assert.match(await balancer.ask('status'), /<td class="up">up<\/td>/);
  },
);

onEachEngine('transparent listen takes clients on their way to other hosts', async (t, engine) => {
  const net = await network(t);
  const www1 = await site(t, net.www1);
  await setUp(net, '--apply', '--listen', '80:8080', '--from', 'lan');
  for (const family of [4, 6] as const) {
    const [wanted, server] = family === 4 ? ['203.0.113.80', WWW1[4]] : ['[2001:db8:80::80]', `[${WWW1[6]}]`];
    const options = ['-O', 'transparent', '-O', 'transparent listen'];
    const balancer = await pen(t, net, { engine, options, listen: ':::8080', servers: [`${server}:80`] });
    assert.equal(await fetchFrom(net.client, `http://${wanted}/path${family}`), 'www1');
    assert.equal((await lastSeen(www1, `/path${family}`)).address, CLIENT[family]);
    const held = net.client.start(t, 'curl', ['-sS', '-N', '-g', `telnet://${wanted}:80`]);
    const where = `destination = ${wanted}:80`;
    const inUse = (number: number) => balancer.ask(`connection ${number}`);
    await until('the connection tells', async () =>
      (await Promise.all([0, 1, 2, 3].map(inUse))).join().includes(where),
    );
    await held.stop('SIGKILL');
    assert.equal(await balancer.ask('no transparent listen'), '');
    assert.notEqual((await net.client.try('curl', ['-sS', '-g', '-m', '1', `http://${wanted}/`])).status, 0);
    assert.equal(await balancer.ask('transparent listen'), '');
    assert.equal(await fetchFrom(net.client, `http://${wanted}/`), 'www1');
    await balancer.stop();
  }
});

onEachEngine(
  'a client that has used up the ports is refused, others are not, and no server is blamed',
  async (t, engine) => {
    const net = await network(t);
    const www1 = await site(t, net.www1);
    await setUp(net, '--apply');
    await net.balancer.sysctl('net.ipv4.ip_local_port_range=40000 40007');
    const script = { engine, options: ['-O', 'transparent'], listen: '0.0.0.0:80', servers: [`${WWW1[4]}:80`] };
    const balancer = await pen(t, net, script);
    const held = net.client.start(t, process.execPath, [
      '-e',
      `const net = require('node:net');
     for (let i = 0; i < 8; i++) net.connect(80, '${FRONT[4]}').on('connect', () => console.log('held')).on('error', () => {});`,
    ]);
    await until('eight connections', () => held.said().split('held').length === 9);
    // All eight have reached the server, which says nothing until it is asked.
    await until('eight at the server', async () => /^0 .* conn 8 /m.test(await balancer.ask('servers')));
    const refused = await net.client.try('curl', ['-sS', '-m', '8', `http://${FRONT[4]}/ninth`]);
    assert.ok([52, 56].includes(refused.status), `curl said ${refused.stderr}`);
    assert.equal(await fetchFrom(net.other, `http://${FRONT[4]}/other`), 'www1');
    assert.equal((await lastSeen(www1, '/other')).address, OTHER[4]);
    await until('the log tells', () => /transparent: 1 connection not made, no port being left/.test(balancer.log()));
    assert.match(await balancer.ask('status'), /without a port left 1,/);
    assert.match(await balancer.ask('status'), /<td class="up">up<\/td>/);
  },
);
