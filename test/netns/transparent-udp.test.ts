/** `transparent` with datagrams: a name server and a syslog server that see who asks. */
import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { chooseEngine } from '../../src/engine/choose.js';
import type { EngineName } from '../../src/engine/engine.js';
import { bedMissing, type Host } from '../support/bed.js';
import type { Scene } from '../support/ending.js';
import { type PenScript, pen as startPen } from '../support/pen.js';
import { commandOf } from '../support/process.js';
import { scratch } from '../support/scratch.js';
import { until } from '../support/wait.js';
import { BACK, CLIENT, FRONT, type Network, network, OTHER, WWW1, WWW2 } from './transparent.scene.js';

const skip = bedMissing('named', 'dig', 'nft', 'ss');

function onEachEngine(name: string, play: (t: TestContext, engine: EngineName) => Promise<void>): void {
  for (const engine of ['uring', 'epoll', 'poll'] as const) {
    test(`${name} (${engine})`, { skip, timeout: 120_000 }, async (t) => {
      const why = await chooseEngine(engine).then(
        () => '',
        (error: Error) => error.message,
      );
      if (why !== '') return t.skip(why);
      await play(t, engine);
    });
  }
}

function pen(t: TestContext, { balancer }: Network, script: PenScript) {
  const options = ['-U', '-u', 'nobody', '-x', '2000', ...(script.options ?? [])];
  return startPen(t, { threads: 2, ...script, options, namespace: balancer.namespace });
}

function setUp({ balancer }: Network, ...words: string[]) {
  return balancer.run(process.execPath, [...commandOf('pen'), 'transparent-setup', ...words]);
}

interface NameServer {
  /** Who has asked for that name; waits for the first. */
  asked(name: string): Promise<string[]>;
  wasAsked(name: string): boolean;
}

/** A BIND 9 for example.test on both families. */
async function nameServer(t: Scene, host: Host): Promise<NameServer> {
  const folder = scratch(t);
  writeFileSync(
    join(folder, 'zone'),
    '$TTL 60\n@ SOA ns hostmaster 1 60 60 60 60\n@ NS ns\nns A 192.0.2.1\n* A 192.0.2.9\n',
  );
  writeFileSync(
    join(folder, 'named.conf'),
    `options {
  directory "${folder}"; pid-file none; session-keyfile none; listen-on { any; }; listen-on-v6 { any; };
  recursion no; dnssec-validation no; allow-query { any; }; querylog yes;
};
controls { };
zone "example.test" { type primary; file "zone"; };
`,
  );
  const running = host.start(t, 'named', ['-g', '-n', '1', '-c', join(folder, 'named.conf')]);
  await host.listens(53);
  const askers = (name: string) => {
    const found = running.said().matchAll(/client (?:@\S+ )?(\S+)#\d+ \(([^)]*)\): query: /g);
    const from = [...found]
      .filter(([, , asked]) => asked === `${name}.example.test`)
      .map(([, address = '']) => address);
    return from.length > 0 ? from : undefined;
  };
  return {
    asked: (name) => until(`a question for ${name} in the log`, () => askers(name)),
    wasAsked: (name) => askers(name) !== undefined,
  };
}

async function ask(host: Host, at: string, name: string): Promise<string> {
  const words = ['+short', '+tries=1', '+time=3', `@${at}`, `${name}.example.test`];
  return (await host.run('dig', words)).trim();
}

onEachEngine(
  'a name server sees the address of the client over IPv4 and IPv6, without transparent that of pen',
  async (t, engine) => {
    const net = await network(t);
    const server = await nameServer(t, net.www1);
    await setUp(net, '--apply');
    for (const family of [4, 6] as const) {
      const where = family === 4 ? WWW1[4] : `[${WWW1[6]}]`;
      const options = ['-O', 'transparent'];
      const balancer = await pen(t, net, { engine, options, listen: ':::53', servers: [`${where}:53`] });
      const who = async (host: Host, name: string) => {
        assert.equal(await ask(host, FRONT[family], name), '192.0.2.9');
        return server.asked(name);
      };
      assert.deepEqual(await who(net.client, `own${family}`), [CLIENT[family]]);
      assert.deepEqual(await who(net.other, `other${family}`), [OTHER[family]]);
      assert.equal(await balancer.ask('no transparent'), '');
      assert.deepEqual(await who(net.client, `pens${family}`), [BACK[family]]);
      assert.equal(await balancer.ask('transparent'), '');
      assert.deepEqual(await who(net.client, `again${family}`), [CLIENT[family]]);
      assert.doesNotMatch(balancer.log(), /missing|transparent: \d/);
      await balancer.stop();
    }
  },
);

/** Datagrams from one port of a client, one after the other, each after its answer; gives the answers. */
function talk(host: Host, from: string, port: number, to: readonly string[], messages: number): Promise<string> {
  return host.run(process.execPath, [
    '-e',
    `const socket = require('node:dgram').createSocket('udp4');
     const said = [];
     let left = ${messages};
     const next = () => left-- > 0 ? socket.send('from ${from} ' + left, ${port}, ${JSON.stringify(to)}[left % ${to.length}]) : end();
     const end = () => { console.log(said.join('\\n')); process.exit(0); };
     socket.on('message', (bytes) => { said.push(String(bytes)); next(); });
     setTimeout(() => { console.error('no answer after ' + said.length); process.exit(1); }, 30000);
     socket.bind(4000, '${from}', next);`,
  ]);
}

/** Answers each datagram with who sent it. */
const MIRROR = `
  const socket = require('node:dgram').createSocket('udp4');
  socket.on('message', (bytes, from) => socket.send(bytes + ' seen from ' + from.address + ':' + from.port, from.port, from.address));
  socket.bind(5000, () => console.log('ready'));`;

async function mirror(t: Scene, host: Host): Promise<void> {
  const running = host.start(t, process.execPath, ['-e', MIRROR]);
  await until(`a mirror on ${host.name}`, () => running.said().includes('ready'));
}

onEachEngine('two clients at once are never mixed up, and keep their port where they can', async (t, engine) => {
  const net = await network(t);
  await mirror(t, net.www1);
  await mirror(t, net.www2);
  await setUp(net, '--apply');
  const servers = [`${WWW1[4]}:5000`, `${WWW2[4]}:5000`];
  const options = ['-O', 'transparent port'];
  const balancer = await pen(t, net, { engine, options, listen: '0.0.0.0:5000', servers });
  const said = await Promise.all([
    talk(net.client, CLIENT[4], 5000, [FRONT[4]], 2000),
    talk(net.other, OTHER[4], 5000, [FRONT[4]], 2000),
  ]);
  for (const [i, from] of [CLIENT[4], OTHER[4]].entries()) {
    const answers = said[i]?.trim().split('\n') ?? [];
    assert.equal(answers.length, 2000);
    assert.deepEqual(
      answers,
      answers.map((_, n) => `from ${from} ${1999 - n} seen from ${from}:4000`),
    );
  }
  assert.match(await balancer.ask('status'), /own address 0, refused 0, from another port than the client 0,/);
});

onEachEngine('with -Ur the sessions of one client have one address, and one of them its port', async (t, engine) => {
  const net = await network(t);
  await mirror(t, net.www1);
  await mirror(t, net.www2);
  await setUp(net, '--apply');
  const servers = [`${WWW1[4]}:5000`, `${WWW2[4]}:5000`];
  const options = ['-r', '-O', 'transparent port'];
  await pen(t, net, { engine, options, listen: '0.0.0.0:5000', servers });
  const answers = (await talk(net.client, CLIENT[4], 5000, [FRONT[4]], 200)).trim().split('\n');
  const ports = new Map<string, number>();
  for (const answer of answers) {
    const [, address = '', port = ''] = / seen from (\S+):(\d+)$/.exec(answer) ?? [];
    assert.equal(address, CLIENT[4]);
    ports.set(port, (ports.get(port) ?? 0) + 1);
  }
  assert.deepEqual([...ports.values()], [100, 100]);
  assert.ok(ports.has('4000'), [...ports.keys()].join());
});

onEachEngine(
  'a client of another family than the server is served from pen, or dropped with transparent strict',
  async (t, engine) => {
    const net = await network(t);
    const server = await nameServer(t, net.www1);
    await setUp(net, '--apply');
    const script = { engine, options: ['-O', 'transparent'], listen: ':::53', servers: [`${WWW1[4]}:53`] };
    const balancer = await pen(t, net, script);
    assert.equal(await ask(net.client, FRONT[6], 'six'), '192.0.2.9');
    assert.deepEqual(await server.asked('six'), [BACK[4]]);
    await until('the log warns', () =>
      /transparent: 1 connection made from this host's own address/.test(balancer.log()),
    );
    assert.equal(await balancer.ask('transparent strict'), '');
    const dropped = await net.client.try('dig', ['+tries=1', '+time=1', `@${FRONT[6]}`, 'strict.example.test']);
    assert.notEqual(dropped.status, 0);
    assert.equal(await ask(net.client, FRONT[4], 'four'), '192.0.2.9');
    assert.deepEqual(await server.asked('four'), [CLIENT[4]]);
    assert.equal(server.wasAsked('strict'), false);
    assert.match(await balancer.ask('drops'), /^no_server 1$/m);
  },
);

onEachEngine('transparent listen answers in the name of whoever was asked', async (t, engine) => {
  const net = await network(t);
  const server = await nameServer(t, net.www1);
  await setUp(net, '--apply', '--listen', 'udp:53', '--from', 'lan');
  for (const family of [4, 6] as const) {
    const [wanted, where] = family === 4 ? ['203.0.113.53', WWW1[4]] : ['2001:db8:53::53', `[${WWW1[6]}]`];
    const options = ['-O', 'transparent', '-O', 'transparent listen'];
    const balancer = await pen(t, net, { engine, options, listen: ':::53', servers: [`${where}:53`] });
    // dig takes an answer from the address that it asked, and no other.
    assert.equal(await ask(net.client, wanted, `path${family}`), '192.0.2.9');
    assert.deepEqual(await server.asked(`path${family}`), [CLIENT[family]]);
    await balancer.stop();
  }
});
