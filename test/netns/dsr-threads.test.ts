/** Packet mode on several threads: each frame comes to one of them, and no flow depends on which. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ethernet, type Packet } from '../../src/frame/ethernet.js';
import { flowOf, quotedFlowOf } from '../../src/frame/flow.js';
import { icmp } from '../../src/frame/icmp.js';
import { ipv4, ipv4Fragments } from '../../src/frame/ipv4.js';
import { tcp } from '../../src/frame/tcp.js';
import { bedMissing, type Host } from '../support/bed.js';
import { capture, dsrBed, macOf, sendFrames, VIP } from '../support/dsr-bed.js';
import { until } from '../support/wait.js';

const skip = bedMissing('tcpdump');

const vip = Uint8Array.from(VIP.split('.').map(Number));
const CLIENT = 10;
const PORTS = Array.from({ length: 64 }, (_, i) => 5000 + i);
const address = (last: number) => Uint8Array.from([10, 7, 0, last]);

function segment(port: number, bytes = 0) {
  return tcp({ sourcePort: port, destinationPort: 80, flags: 16 }, new Uint8Array(bytes).fill(0x61));
}

/** What a router says of an answer to that port of the client. */
function tooBig(port: number, router: number): Packet {
  const answer = ipv4(
    { source: vip, destination: address(CLIENT) },
    tcp({ sourcePort: 80, destinationPort: port, flags: 16 }),
  );
  return ipv4({ source: address(router), destination: vip }, icmp({ type: 3, code: 4, word: 1400 }, answer.bytes));
}

async function sender(client: Host, balancer: Host): Promise<(packets: readonly Packet[]) => Promise<void>> {
  const link = { destination: await macOf(balancer), source: await macOf(client) };
  return (packets) =>
    sendFrames(
      client,
      packets.map((packet) => ethernet(link, packet)),
    );
}

test('packet mode on two threads remembers every flow once, uses both, and explain sees all', { skip }, async (t) => {
  const { client, balancer, addressOf, pen } = await dsrBed(t, 2, { mode: 'packet x 2' });
  const send = await sender(client, balancer);
  const running = await pen({
    options: ['-O', 'dsr_if lan', '-r'],
    listen: `${VIP}:80`,
    servers: [0, 1].map(addressOf),
  });
  assert.match(running.log(), /by direct return \(packet mode on lan, as dsr_mode says, 2 threads\)/);
  assert.equal(await running.ask('threads'), '2');
  const packets = PORTS.map((port) => ipv4({ source: address(CLIENT), destination: vip }, segment(port)));
  const count = async () => Number(/^vip .* packets (\d+) /m.exec(await running.ask('dsr'))?.[1]);
  for (const all of [1, 2]) {
    await send(packets);
    await until('all packets are counted', async () => (await count()) >= all * PORTS.length);
  }
  const report = await running.ask('dsr');
  assert.match(report, / flows 64 of 262144\n/);
  assert.match(report, /^vip .* packets 128 bytes \d+ flows 64$/m);
  assert.match(report, /^tx flow 64 new 64 moved 0 /m);
  assert.match(report, /^rings 2 lost 0 completed \d+ cut 0 tooLong 0$/m);
  const rows = [...report.matchAll(/^ring (\d) frames (\d+) flows (\d+) lost 0 /gm)].map((row) =>
    row.slice(1).map(Number),
  );
  assert.equal(rows.length, 2);
  assert.equal(rows[0][2] + rows[1][2], PORTS.length);
  assert.ok(
    rows.every(([, frames, flows]) => flows > 0 && frames >= 2 * flows),
    report,
  );
  for (const port of PORTS)
    assert.match(await running.ask(`explain 10.7.0.${CLIENT}:${port} ${VIP}:80`), /\(its flow is there\)$/);
});

test('ICMP errors and fragments find the flow that is with another thread, whatever the table says by now', {
  skip,
}, async (t) => {
  const { client, balancer, servers, addressOf, pen } = await dsrBed(t, 3, { mode: 'packet x 2' });
  const send = await sender(client, balancer);
  const running = await pen({ options: ['-O', 'dsr_if lan', '-r'], listen: `${VIP}:80`, servers: [addressOf(0)] });
  await send(PORTS.map((port) => ipv4({ source: address(CLIENT), destination: vip }, segment(port))));
  await until('all flows are there', async () => / flows 64 of /.test(await running.ask('dsr')));
  // Two more servers take two thirds of the slots; the first one keeps its flows.
  for (const n of [1, 2]) await running.ask(`server ${n} address ${addressOf(n)} port 80`);
  await until('they are in service', async () => (await running.ask('dsr')).match(/state in-service/g)?.length === 3);

  const arriving = await Promise.all(servers.map((server) => capture(t, server, `ip and dst ${VIP}`)));
  const fragments = PORTS.flatMap((port, id) =>
    ipv4Fragments({ source: address(CLIENT), destination: vip, id: id + 1 }, segment(port, 3000), 1480),
  );
  // From one router to another they come to another thread.
  const errors = PORTS.map((port, i) => tooBig(port, 100 + i));
  await send([...fragments, ...errors]);
  const home = () => arriving[0].frames();
  await until(
    'all of it arrives',
    () => arriving.flatMap((one) => one.frames()).length === fragments.length + errors.length,
  );
  assert.deepEqual(
    arriving.map((one) => one.frames().length),
    [fragments.length + errors.length, 0, 0],
  );
  assert.equal(home().filter((frame) => quotedFlowOf(frame) !== undefined).length, errors.length);
  assert.equal(home().filter((frame) => flowOf(frame)?.isFragment).length, fragments.length);
  assert.match(await running.ask('dsr'), /^tx flow 64 new 64 moved 0 fragment 128 icmp 64 /m);
});

test('two balancers in one network namespace keep their threads apart', { skip }, async (t) => {
  const { client, balancer, addressOf, pen } = await dsrBed(t, 1, { mode: 'packet x 2' });
  await balancer.ip('link', 'add', 'idle', 'type', 'veth', 'peer', 'name', 'other');
  for (const name of ['idle', 'other']) await balancer.ip('link', 'set', name, 'up');
  await balancer.ip('address', 'add', '10.8.0.2/24', 'dev', 'idle');
  const send = await sender(client, balancer);
  await pen({ options: ['-O', 'dsr_if idle'], listen: '10.8.0.80:80', servers: ['10.8.0.21'] });
  const running = await pen({ options: ['-O', 'dsr_if lan', '-r'], listen: `${VIP}:80`, servers: [addressOf(0)] });
  await send(PORTS.map((port) => ipv4({ source: address(CLIENT), destination: vip }, segment(port))));
  await until('all flows are there', async () => / flows 64 of /.test(await running.ask('dsr')));
  assert.match(await running.ask('dsr'), /^vip .* packets 64 /m);
});
