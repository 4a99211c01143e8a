import assert from 'node:assert/strict';
import { test } from 'node:test';
import { bedMissing } from '../support/bed.js';
import { ask, BALANCER, dsrBed, site, TESTED_MODES, VIP, VIP6 } from '../support/dsr-bed.js';
import { until } from '../support/wait.js';

const skip = bedMissing('nginx', 'curl', 'ping');

for (const mode of TESTED_MODES) {
  test(`${mode}: pen -O dsr_if spreads TCP over the servers, whose answers do not pass it`, { skip }, async (t) => {
    const { client, balancer, servers, addressOf, pen } = await dsrBed(t, 3, { mode });
    for (const server of servers) await site(t, server, 1_024_000);
    const running = await pen({
      options: ['-O', 'dsr_if lan', '-r'],
      listen: `${VIP}:80`,
      servers: [0, 1, 2].map(addressOf),
    });

    const bodies = await ask(client, `http://${VIP}/`, 60);
    assert.deepEqual([...new Set(bodies)].sort(), ['www1', 'www2', 'www3']);
    const size = await client.run('curl', [
      '-s',
      '-o',
      '/dev/null',
      '-w',
      '%{size_download}',
      `http://${VIP}/files/big`,
    ]);
    assert.equal(size, '1024000');

    const received = await bytesSent(balancer);
    assert.ok(received < 500_000, `the balancer has sent ${received} bytes`);
    const report = await running.ask('dsr');
    assert.match(report, /^interface lan mode (native|packet) mac [0-9a-f:]{17} flows 61 of 262144\n/);
    assert.match(
      report,
      /^vip 10\.7\.0\.80:80 tcp servers 3 in-service 3 slots 65537 packets \d+ bytes \d+ flows 61\n/m,
    );
    assert.equal(
      report.match(/^real \d addr [\d.]+ mac [0-9a-f:]{17} state in-service slots 218\d\d packets [1-9]/gm)?.length,
      3,
    );
    const sent = (await running.ask('servers')).split('\n').map((line) => Number(/ sx (\d+) /.exec(line)?.[1]));
    const counted = [...report.matchAll(/^real .* bytes (\d+)/gm)].map((match) => Number(match[1]));
    assert.deepEqual(sent, counted);

    const shown = JSON.parse(await running.ask('dsr --json'));
    const [vip, ...others] = shown.vips;
    assert.deepEqual(
      [shown.interface, shown.role, shown.flowsMax, shown.tx.new, others, shown.spares],
      ['lan', 'master', 262_144, 61, [], []],
    );
    assert.deepEqual([vip.vip, vip.servers, vip.inService, vip.slots], ['10.7.0.80:80 tcp', 3, 3, 65_537]);
    assert.deepEqual(
      vip.reals.map((real: Record<string, unknown>) => [real.server, real.address, real.state, real.bytes]),
      counted.map((bytes, row) => [row, addressOf(row), 'in-service', bytes]),
    );
    assert.equal(await running.ask('dsr standby --json'), '{"role":"standby"}');
  });

  test(`${mode}: pen -O dsr_if leaves the rest of the interface alone`, { skip }, async (t) => {
    const { client, balancer, addressOf, pen, servers } = await dsrBed(t, 1, { mode });
    await site(t, balancer);
    await site(t, servers[0]);
    await pen({ options: ['-O', 'dsr_if lan'], listen: `${VIP}:80`, servers: [addressOf(0)] });
    assert.deepEqual(await ask(client, `http://${BALANCER}/`, 1), ['balancer']);
    assert.deepEqual(await ask(client, `http://${VIP}/`, 1), ['www1']);
    await client.run('ping', ['-c1', '-W2', BALANCER]);
    await client.run('ping', ['-c1', '-W2', VIP]);
    const refused = await client.try('curl', ['-s', '-m', '1', `http://${VIP}:8080/`]);
    assert.equal(refused.status, 28, 'a port that is not served is silent');
  });

  test(`${mode}: pen -O dsr_if serves IPv6, and every port of a VIP without one`, { skip }, async (t) => {
    const { client, servers, address6Of, pen } = await dsrBed(t, 2, { mode });
    for (const server of servers) await site(t, server);
    const running = await pen({
      options: ['-O', 'dsr_if lan', '-r'],
      listen: VIP6,
      servers: [0, 1].map((i) => `[${address6Of(i)}]`),
    });
    const bodies = await ask(client, `http://[${VIP6}]/`, 40);
    assert.deepEqual([...new Set(bodies)].sort(), ['www1', 'www2']);
    assert.equal((await ask(client, `http://[${VIP6}]:8080/`, 20)).length, 20);
    await client.run('ping', ['-c1', '-W2', VIP6]);
    assert.match(await running.ask('dsr'), /^vip \[fd07::80\]:\* tcp servers 2 /m);
  });

  test(`${mode}: a client stays with its server unless -r, and explain knows which`, { skip }, async (t) => {
    const { client, servers, addressOf, pen } = await dsrBed(t, 3, { mode });
    for (const server of servers) await site(t, server);
    const running = await pen({
      options: ['-O', 'dsr_if lan'],
      listen: `${VIP}:80`,
      servers: [0, 1, 2].map(addressOf),
    });
    for (const from of ['10.7.0.10', '10.7.0.11', '10.7.0.12', '10.7.0.13']) {
      const bodies = await ask(client, `http://${VIP}/`, 10, '--interface', from);
      assert.equal(new Set(bodies).size, 1, `${from} met ${bodies}`);
      const explained = await running.ask(`explain ${from}:7 ${VIP}:80`);
      const slot = Number(bodies[0].slice(3)) - 1;
      assert.match(
        explained,
        new RegExp(`: server ${slot} ${addressOf(slot)} [0-9a-f:]{17} \\(a new flow, slot \\d+ of 65537\\)$`),
      );
    }
    assert.match(
      await running.ask(`explain 10.7.0.10 ${VIP}:81 udp`),
      /: drop \(the VIP does not serve that port or protocol\)$/,
    );
    assert.match(
      await running.ask(`explain 10.7.0.10:1 ${BALANCER}:22`),
      /: pass \(not to a VIP, the kernel has it\)$/,
    );
  });

  test(`${mode}: blacklist, weight 0, emptied and new servers count at once, and flows stay`, { skip }, async (t) => {
    const { client, servers, addressOf, pen } = await dsrBed(t, 3, { mode });
    for (const server of servers) await site(t, server);
    const running = await pen({
      options: ['-O', 'dsr_if lan', '-r'],
      listen: `${VIP}:80`,
      servers: [0, 1].map(addressOf),
    });
    const who = async () => [...new Set(await ask(client, `http://${VIP}/`, 30))].sort();
    assert.deepEqual(await who(), ['www1', 'www2']);
    await running.ask('server 0 blacklist 60');
    assert.deepEqual(await who(), ['www2']);
    await running.ask('server 0 blacklist 0');
    assert.deepEqual(await who(), ['www1', 'www2']);
    await running.ask('server 0 weight 1');
    assert.deepEqual(await who(), ['www1'], 'once one server has a weight, 0 takes nothing');
    assert.match(await running.ask('dsr'), /^real 1 .* state draining /m);
    await running.ask('server 1 weight 1');
    await running.ask(`server 2 address ${addressOf(2)} port 80 weight 1`);
    await until(
      'the new server answers',
      async () => (await running.ask('dsr')).match(/state in-service/g)?.length === 3,
    );
    assert.deepEqual(await who(), ['www1', 'www2', 'www3']);
    await running.ask('no server 0');
    assert.deepEqual(await who(), ['www2', 'www3']);
  });

  test(`${mode}: with -u pen goes on as another user: servers, blacklists and lists change, and it forwards`, {
    skip,
  }, async (t) => {
    const { client, servers, addressOf, pen } = await dsrBed(t, 2, { mode });
    for (const server of servers) await site(t, server);
    const running = await pen({
      options: ['-O', 'dsr_if lan', '-r', '-u', 'nobody'],
      listen: `${VIP}:80`,
      servers: [0, 1].map(addressOf),
    });
    const who = async () => [...new Set(await ask(client, `http://${VIP}/`, 20))].sort();
    assert.deepEqual(await who(), ['www1', 'www2']);
    assert.equal(await running.ask('no server 0'), '');
    assert.deepEqual(await who(), ['www2']);
    assert.equal(await running.ask('acl 1 deny 10.7.0.10'), '');
    assert.equal(await running.ask('client_acl 1'), '1');
    assert.equal((await client.try('curl', ['-s', '-m', '1', `http://${VIP}/`])).status, 28);
    assert.deepEqual(await ask(client, `http://${VIP}/`, 1, '--interface', '10.7.0.11'), ['www2']);
    assert.match(await running.ask('dsr'), /^drop .* denied [1-9]/m);
  });

  test(`${mode}: client_acl, the abuse server and listen change while packets are forwarded`, { skip }, async (t) => {
    const { client, servers, addressOf, pen } = await dsrBed(t, 2, { mode });
    for (const server of servers) await site(t, server);
    const running = await pen({ options: ['-O', 'dsr_if lan'], listen: `${VIP}:80`, servers: [addressOf(0)] });
    await running.ask('acl 1 deny 10.7.0.10');
    await running.ask('client_acl 1');
    assert.equal((await client.try('curl', ['-s', '-m', '1', `http://${VIP}/`])).status, 28);
    assert.match(await running.ask(`explain 10.7.0.10:5 ${VIP}:80`), /: drop \(client_acl denies it\)$/);
    await running.ask(`abuse_server ${addressOf(1)}:80`);
    await until('the abuse server answers', async () =>
      /^real abuse .* state in-service /m.test(await running.ask('dsr')),
    );
    assert.deepEqual(await ask(client, `http://${VIP}/`, 2), ['www2', 'www2']);
    await running.ask('client_acl 0');
    assert.deepEqual(await ask(client, `http://${VIP}/`, 2), ['www1', 'www1']);
    assert.match(await running.ask(`listen ${VIP}:8080`), /^error: .*its port must be the VIP's/);
    assert.deepEqual(await ask(client, `http://${VIP}/`, 1), ['www1']);
  });
}

/** By the balancer's only interface. */
async function bytesSent(host: { run(program: string, args: string[]): Promise<string> }): Promise<number> {
  const [link] = JSON.parse(await host.run('ip', ['-j', '-s', 'link', 'show', 'lan']));
  return link.stats64.tx.bytes;
}
