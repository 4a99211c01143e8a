/** UDP between real programs: name servers and their clients, syslog, iperf3. */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { datagramServer } from '../support/datagram.js';
import { atEnd, type Scene } from '../support/ending.js';
import { pen } from '../support/pen.js';
import { daemon, find, freePort, missing, output } from '../support/program.js';
import { scratch } from '../support/scratch.js';
import { until } from '../support/wait.js';

const needs = missing('named', 'dig', 'dnsperf');
const NAMES = 200;

/** A BIND 9 that answers for example.test; TXT `who` says which one it is, TXT `long` more than a packet holds. */
async function nameServer(t: Scene, who: string, port = 0) {
  const folder = scratch(t);
  const at = port || (await freePort());
  const long = Array.from({ length: 16 }, (_, i) => `"${String(i).padStart(200, 'x')}"`).join(' ');
  writeFileSync(
    join(folder, 'zone'),
    `$TTL 60
@ SOA ns hostmaster 1 60 60 60 60
@ NS ns
ns A 127.0.0.1
who TXT "${who}"
long TXT ${long}
${Array.from({ length: NAMES }, (_, i) => `w${i} A 192.0.2.${i}`).join('\n')}
`,
  );
  writeFileSync(
    join(folder, 'named.conf'),
    `options {
  directory "${folder}"; pid-file none; session-keyfile none; listen-on port ${at} { 127.0.0.1; }; listen-on-v6 { none; };
  recursion no; max-udp-size 4096; dnssec-validation no; allow-query { any; };
};
controls { };
zone "example.test" { type primary; file "zone"; };
`,
  );
  const args = ['-g', '-n', '1', '-c', join(folder, 'named.conf')];
  const running = await daemon(t, 'named', args, { port: at });
  return { port: at, address: `127.0.0.1:${at}`, stop: () => running.stop() };
}

function dig(port: number, ...question: string[]): Promise<string> {
  return output('dig', ['@127.0.0.1', '-p', `${port}`, '+tries=1', '+time=3', '+short', ...question]);
}

function questions(t: Scene): string {
  const file = join(scratch(t), 'questions');
  writeFileSync(file, Array.from({ length: NAMES }, (_, i) => `w${i}.example.test A\n`).join(''));
  return file;
}

for (const engine of ['uring', 'epoll', 'node']) {
  test(`${engine}: dig and dnsperf ask BIND through the balancer`, { skip: needs }, async (t) => {
    const servers = [await nameServer(t, 'one'), await nameServer(t, 'two')];
    const balancer = await pen(t, { engine, options: ['-Ur'], servers });
    const answers = new Set<string>();
    for (let i = 0; i < 4; i++) answers.add((await dig(balancer.port, 'TXT', 'who.example.test')).trim());
    assert.deepEqual([...answers].sort(), ['"one"', '"two"']);
    // 3.2 kB in one datagram: fragments on a wire, and no retry over TCP, which is not served here.
    assert.match(await dig(balancer.port, '+bufsize=4096', '+notcp', 'TXT', 'long.example.test'), /x15"/);

    const args = ['-s', '127.0.0.1', '-p', `${balancer.port}`, '-d', questions(t), '-c', '20', '-l', '3', '-Q', '3000'];
    const report = await output('dnsperf', args);
    t.diagnostic(`${engine}: ${/Queries per second: .*/.exec(report)?.[0]}`);
    assert.match(report, /Queries lost:\s+0 /);
    assert.match(report, /NOERROR (\d+) \(100\.00%\)/);
  });

  test(`${engine}: one of three name servers is stopped under load, and comes back`, { skip: needs }, async (t) => {
    const OUTSTANDING = 40;
    const names = ['one', 'two', 'three'];
    const servers = [];
    for (const name of names) servers.push(await nameServer(t, name));
    const balancer = await pen(t, { engine, options: ['-Ur', '-b', '2'], servers });
    const args = ['-s', '127.0.0.1', '-p', `${balancer.port}`, '-d', questions(t), '-c', '10', '-q', `${OUTSTANDING}`];
    const load = output('dnsperf', [...args, '-l', '8', '-Q', '2000', '-t', '2']);
    await sleep(2000);
    await servers[1].stop();
    await until('its sessions have moved', async () => / conn 0 /.test((await balancer.ask('servers')).split('\n')[1]));
    await nameServer(t, 'two', servers[1].port);
    await sleep(2500);
    const sent = () => balancer.ask('servers').then((text) => Number(/ sx (\d+)/.exec(text.split('\n')[1])?.[1]));
    const before = await sent();
    await until('traffic returns', async () => (await sent()) > before + 1000);
    const report = await load;
    const lost = Number(/Queries lost:\s+(\d+)/.exec(report)?.[1]);
    t.diagnostic(`${engine}: ${lost} of ${/Queries sent:\s+(\d+)/.exec(report)?.[1]} lost`);
    assert.ok(lost <= OUTSTANDING, `${lost} lost, more than can have been under way`);
  });

  test(`${engine}: logger's messages reach a syslog server whole`, { skip: missing('logger') }, async (t) => {
    const received = await datagramServer(t, { answer: () => [] });
    const balancer = await pen(t, { engine, options: ['-Ur'], servers: [received] });
    const to = ['--server', '127.0.0.1', '--port', `${balancer.port}`, '--udp', '--rfc5424', '-t', 'pen-test'];
    for (let i = 0; i < 20; i++) await output('logger', [...to, `message ${i} ${'x'.repeat(i * 40)}`]);
    await until('all messages', () => received.count() === 20);
    assert.ok(received.questions.every((text) => /^<\d+>1 /.test(text)));
  });

  test(`${engine}: iperf3 -u runs through the balancer`, { skip: missing('iperf3') }, async (t) => {
    const port = await freePort();
    const server = spawn(find('iperf3') as string, ['-s', '-p', `${port}`, '-B', '127.0.0.1'], { stdio: 'ignore' });
    atEnd(t, () => server.kill());
    // It talks about the test over TCP, on the port of the UDP that it measures.
    const tcp = await pen(t, { engine, servers: [`127.0.0.1:${port}`] });
    const udp = await pen(t, {
      engine,
      options: ['-U'],
      listen: `127.0.0.1:${tcp.port}`,
      servers: [`127.0.0.1:${port}`],
    });
    const args = [
      '-c',
      '127.0.0.1',
      '-p',
      `${tcp.port}`,
      '-u',
      '-b',
      '30M',
      '-l',
      '1400',
      '-t',
      '2',
      '-w',
      '2M',
      '--json',
    ];
    for (const direction of [[], ['-R']]) {
      const report = JSON.parse(await output('iperf3', [...args, ...direction])) as {
        end: { sum: { packets: number; lost_packets: number; lost_percent: number } };
      };
      const { packets, lost_percent } = report.end.sum;
      t.diagnostic(`${engine}: ${packets} packets, ${lost_percent} % lost`);
      assert.ok(packets > 3_000, `${packets} packets`);
      // Buffers of 2 MB hold what comes while one of the three does not get its share of the processor.
      assert.ok(lost_percent < 1, `${lost_percent} % lost`);
    }
    for (const line of (await udp.ask('drops')).split('\n')) assert.match(line, / 0$/);
  });
}
