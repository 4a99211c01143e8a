/** What Prometheus reads: the right names and numbers, by its own linter, and in time. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { type MemoryDataPlane, startedService } from '../control/control.suite.js';
import type { Service } from '../control/service.js';
import { CAUSES, ENDINGS, REFUSALS } from '../core/meters.js';
import { Metrics } from './metrics.js';

async function textOf(service: Service): Promise<string> {
  return String(Buffer.concat(await new Metrics(service).read()));
}

/** Lines of servers: those of the process are others each time. */
async function serverLines(metrics: Metrics): Promise<string[]> {
  const lines = String(Buffer.concat(await metrics.read())).split('\n');
  return lines.filter((line) => line.includes('pen_server_'));
}

const promtool = spawnSync('promtool', ['--version']).error === undefined;

test('Metrics tells of each server what the shared tables hold', async (t) => {
  const { service, plane } = await startedService(t);
  const { meters } = plane.servers;
  plane.servers.tryEnter(1, 0, 0);
  plane.servers.addSent(1, 1000);
  plane.servers.addReceived(1, 5_000_000_000);
  plane.servers.addConnect(1);
  meters.connected(1, 3);
  meters.connected(1, 40);
  meters.sessionEnded(1, ENDINGS.indexOf('idle'), 2500);
  meters.connectFailed(0, CAUSES.indexOf('timeout'), 110, 1);
  meters.accepted();
  meters.refused(REFUSALS.indexOf('denied'));
  await service.execute('server 0 blacklist 7', 'unix');
  await service.execute('drain 1', 'unix');

  const lines = (await textOf(service)).split('\n');
  const one = 'server="1",address="127.0.0.1:8002"';
  for (const line of [
    'pen_server_up{server="0",address="127.0.0.1:8001"} 0',
    'pen_server_blacklist_seconds{server="0",address="127.0.0.1:8001"} 7',
    'pen_server_connect_failures_total{cause="timeout",server="0",address="127.0.0.1:8001"} 1',
    `pen_server_draining{${one}} 1`,
    `pen_server_up{${one}} 0`,
    `pen_server_connections{${one}} 1`,
    `pen_server_sent_bytes_total{${one}} 1000`,
    `pen_server_received_bytes_total{${one}} 5000000000`,
    `pen_server_connect_duration_seconds_bucket{le="0.002",${one}} 0`,
    `pen_server_connect_duration_seconds_bucket{le="0.005",${one}} 1`,
    `pen_server_connect_duration_seconds_bucket{le="+Inf",${one}} 2`,
    `pen_server_connect_duration_seconds_sum{${one}} 0.043`,
    `pen_server_connect_duration_seconds_count{${one}} 2`,
    `pen_server_sessions_total{ending="idle",${one}} 1`,
    `pen_server_session_duration_seconds_sum{${one}} 2.5`,
    'pen_build_info{version="1.2.3",engine="node",algorithm="roundrobin"} 1',
  ]) {
    assert(lines.includes(line), `missing: ${line}`);
  }
  assert(lines.some((line) => /^pen_listener_accepted_total\{listener="127\.0\.0\.1:\d+"\} 1$/.test(line)));
  assert(lines.some((line) => /^pen_listener_refused_total\{listener=".*",cause="denied"\} 1$/.test(line)));
});

test('Metrics shows no empty row, and text from outside only as a label value', async (t) => {
  const { service } = await startedService(t);
  await service.execute('server 0 address /tmp/a"b\\c', 'unix');
  await service.execute('server 3 address 127.0.0.1 port 9', 'unix');
  const text = await textOf(service);
  assert(!text.includes('server="2"'));
  assert(text.includes('pen_server_up{server="3",address="127.0.0.1:9"} 1'));
  assert(text.includes('pen_server_up{server="0",address="/tmp/a\\"b\\\\c"} 1'));
});

test('Metrics keeps its text, and yet a reading is like a first one', async (t) => {
  const { service, plane } = await startedService(t);
  const kept = new Metrics(service);
  const isLikeNew = async (what: string) =>
    assert.deepEqual(await serverLines(kept), await serverLines(new Metrics(service)), what);
  await isLikeNew('at first');
  for (const bytes of [9, 1, 90, 5_000_000_000]) {
    plane.servers.addSent(0, bytes);
    plane.servers.addReceived(1, bytes);
    plane.servers.meters.connected(1, bytes % 7);
    plane.servers.meters.sessionEnded(0, ENDINGS.indexOf('closed'), bytes % 7000);
    await isLikeNew(`${bytes} bytes`);
  }
  for (const command of [
    'server 0 weight 17',
    'server 3 address /tmp/pön',
    'server 1 address 127.0.0.1 port 99',
    'no server 0',
    'emergency 127.0.0.1:7',
    'no emergency',
    'no server 3',
  ]) {
    assert.equal(await service.execute(command, 'unix'), '', command);
    await isLikeNew(command);
  }
});

test('promtool finds nothing to mend', { skip: !promtool && 'no promtool here (Debian: prometheus)' }, async (t) => {
  const { service } = await startedService(t);
  const checked = spawnSync('promtool', ['check', 'metrics'], { input: await textOf(service) });
  assert.equal(`${checked.stdout}${checked.stderr}`, '');
});

/** As with direct server return: server 0 answers on its link, server 1 does not. */
function returnDirectly(plane: MemoryDataPlane): void {
  const counts = { slots: 7, packets: 12, bytes: 3400, flows: 5 };
  const address = [0, 0, 0xffff, 0x7f000001] as const;
  const reals = [
    { server: 0, address, mac: '02:00:00:00:00:01', state: 'in-service', ...counts },
    { server: 1, address, mac: '', state: 'silent', ...counts },
  ];
  const vip = { vip: '192.0.2.80:80 tcp', servers: 2, inService: 1, slots: 7, packets: 12, bytes: 3400, flows: 5 };
  const frames = { reals: () => reals, vips: () => [vip], describe: async () => '', explain: () => '' };
  Object.assign(plane, { engine: 'xdp', frames, drops: () => [['acl', 3]] });
}

test('Metrics tells who answers and what was sent on with direct server return', async (t) => {
  const { service, plane } = await startedService(t);
  returnDirectly(plane);
  const lines = (await textOf(service)).split('\n');
  for (const line of [
    'pen_dsr_answers{server="0",address="127.0.0.1:8001"} 1',
    'pen_dsr_answers{server="1",address="127.0.0.1:8002"} 0',
    'pen_dsr_vip_flows_total{vip="192.0.2.80:80 tcp"} 5',
    'pen_dsr_vip_servers_in_service{vip="192.0.2.80:80 tcp"} 1',
    'pen_dsr_packets_total{server="0",address="127.0.0.1:8001"} 12',
    'pen_dsr_flows_total{server="1",address="127.0.0.1:8002"} 5',
    'pen_dsr_dropped_packets_total{reason="acl"} 3',
    'pen_server_up{server="1",address="127.0.0.1:8002"} 0',
  ]) {
    assert(lines.includes(line), `missing: ${line}`);
  }
  assert.deepEqual(
    [...service.views.servers()].map(({ state }) => state),
    ['up', 'silent'],
  );
});

test('Metrics tells handshakes, streams that were cut, and when certificates end', async (t) => {
  const { service, plane } = await startedService(t);
  const certificate = { name: '', subject: 'CN=pen "1"', keyType: 'ec', expiresMs: 1_800_000_000_000 };
  Object.defineProperty(service, 'certificates', { value: [certificate] });
  const counts = {
    full: 5,
    resumed: 4,
    failed: 3,
    toServers: 2,
    toServersResumed: 1,
    failedToServers: 7,
    cut: 8,
    cutByServers: 9,
  };
  plane.tlsCounts = () => counts;
  const lines = (await textOf(service)).split('\n');
  for (const line of [
    'pen_tls_handshakes_total{side="client",result="full"} 5',
    'pen_tls_handshakes_total{side="client",result="failed"} 3',
    'pen_tls_handshakes_total{side="server",result="resumed"} 1',
    'pen_tls_handshakes_total{side="server",result="failed"} 7',
    'pen_tls_cut_streams_total{side="client"} 8',
    'pen_tls_cut_streams_total{side="server"} 9',
    'pen_tls_certificate_expiry_timestamp_seconds{name="default",key="ec",subject="CN=pen \\"1\\""} 1800000000',
    'pen_log_lines_lost_total 0',
  ]) {
    assert(lines.includes(line), line);
  }
});

test('dashboard and alert rules ask for metrics that there are', async (t) => {
  const [proxy, direct] = [await startedService(t), await startedService(t)];
  returnDirectly(direct.plane);
  const texts = await Promise.all([proxy, direct].map(({ service }) => textOf(service)));
  const known = new Set([...texts.join('\n').matchAll(/^# TYPE (\S+)/gm)].map(([, name]) => name));
  for (const file of ['grafana-dashboard.json', 'alerts.yml']) {
    const text = readFileSync(new URL(`../../../docs/monitoring/${file}`, import.meta.url), 'utf8');
    const asked = [...text.matchAll(/\b(?:pen|nodejs|process)_[a-z0-9_]+/g)].map(([name]) =>
      name.replace(/_(bucket|sum|count)$/, ''),
    );
    assert(asked.length > 5);
    for (const name of asked) assert(known.has(name), `${file} asks for ${name}`);
  }
});

for (const [what, ...args] of [
  ['rules', 'check', 'rules', 'alerts.yml'],
  ['configuration', 'check', 'config', 'prometheus.yml'],
  ["rules' tests", 'test', 'rules', 'alerts-test.yml'],
] as const) {
  test(`promtool is content with the ${what} in docs/monitoring`, { skip: !promtool && 'no promtool here' }, () => {
    const cwd = new URL('../../../docs/monitoring/', import.meta.url);
    const { status, stdout, stderr } = spawnSync('promtool', args, { cwd });
    assert.equal(status, 0, `${stdout}${stderr}`);
  });
}
