/**
 * Prometheus metrics of a running pen. Nothing is counted here: each reading takes one snapshot of the shared tables, on the
 * main thread, so that the workers never notice.
 */
import { collectDefaultMetrics, Registry } from 'prom-client';
import { collected, SMALL_SHARE } from '../control/piecemeal.js';
import type { Service } from '../control/service.js';
import type { Summary } from '../control/statistics.js';
import type { VipSnapshot } from '../proxy/data-plane.js';
import { addFamily, type Labels, type Sample } from './family.js';
import { ServerMetrics } from './server-metrics.js';
import { threadCpuSeconds } from './thread-cpu.js';

/**
 * Of the process, so there is one of it. The library looks at the event loop a hundred times a second unless told otherwise;
 * ten times tell as much of a thread that has little to do.
 */
let processRegistry: Registry | undefined;

/** Gauges whose names are those of counters, and CPU times that begin with the first reading instead of with the process. */
const LEFT_OUT = [
  ...['handles', 'requests', 'resources'].flatMap((name) => [`nodejs_active_${name}`, `nodejs_active_${name}_total`]),
  ...['process_cpu_user_seconds_total', 'process_cpu_system_seconds_total', 'process_cpu_seconds_total'],
];

function processMetrics(): Registry {
  if (!processRegistry) {
    processRegistry = new Registry();
    collectDefaultMetrics({ register: processRegistry, eventLoopMonitoringPrecision: 100 });
    for (const name of LEFT_OUT) processRegistry.removeSingleMetric(name);
    const total = ({ user, system }: NodeJS.CpuUsage) => (user + system) / 1e6;
    addFamily(
      processRegistry,
      {
        name: 'process_cpu_seconds_total',
        type: 'counter',
        help: 'CPU time of the process, user and system, in seconds',
      },
      () => [{ value: total(process.cpuUsage()) }],
    );
  }
  return processRegistry;
}

export class Metrics {
  readonly #service: Service;
  readonly #registry = new Registry();
  readonly #servers = new ServerMetrics();
  #summary!: Summary;

  constructor(service: Service) {
    this.#service = service;
    this.#addBalancer();
    this.#addListener();
    this.#addWorkers();
    this.#addDrops();
    this.#addTls();
    this.#addVips();
    this.#one('pen_log_lines_lost_total', 'counter', 'Lines of the log that found no room', () => [
      { value: this.#summary.logLost },
    ]);
  }

  get contentType(): string {
    return this.#registry.contentType;
  }

  /**
   * The text of one reading, in pieces to be joined: with many servers it is megabytes. Not to be called before the last
   * call is done.
   */
  async read(): Promise<readonly Buffer[]> {
    this.#summary = this.#service.views.summary();
    const general = await Promise.all(await collected(generalTexts(processMetrics(), this.#registry), SMALL_SHARE));
    return [Buffer.from(`${general.join('\n\n')}\n`), ...(await this.#servers.read(this.#service.views.counted()))];
  }

  #addBalancer(): void {
    this.#one('pen_build_info', 'gauge', 'Version, engine and algorithm of this pen', () => {
      const { version, engine, algorithm } = this.#summary;
      return [{ labels: { version, engine, algorithm }, value: 1 }];
    });
    const gauges: ReadonlyArray<readonly [string, string, (summary: Summary) => number]> = [
      ['pen_connections', 'Connections in use', ({ connections }) => connections],
      ['pen_connections_max', 'Connections at a time, at most', ({ connectionsMax }) => connectionsMax],
      ['pen_idlers', 'Connections to servers that are kept ready', ({ idlers }) => idlers],
      ['pen_clients', 'Clients remembered', ({ clients }) => clients],
      ['pen_clients_max', 'Clients remembered at most', ({ clientsMax }) => clientsMax],
    ];
    for (const [name, help, value] of gauges) this.#one(name, 'gauge', help, () => [{ value: value(this.#summary) }]);
  }

  #addListener(): void {
    const listener = (labels: Labels, value: number): Sample => ({
      labels: { listener: this.#summary.listen, ...labels },
      value,
    });
    this.#one('pen_listener_accepted_total', 'counter', 'Connections accepted', () => [
      listener({}, this.#summary.accepted),
    ]);
    this.#one('pen_listener_accept_failures_total', 'counter', 'Accepts that failed for want of resources', () => [
      listener({}, this.#summary.acceptFailures),
    ]);
    this.#one('pen_listener_refused_total', 'counter', 'Clients turned away, by cause', () =>
      Object.entries(this.#summary.refusals).map(([cause, count]) => listener({ cause }, count)),
    );
  }

  /** What is not passed on without having been a connection. */
  #addDrops(): void {
    const [name, help] = this.#service.dataPlane.frames
      ? ['pen_dsr_dropped_packets_total', 'Packets for the VIP that were dropped, by reason']
      : ['pen_udp_dropped_datagrams_total', 'Datagrams that were not passed on, by reason'];
    this.#one(name, 'counter', help, () =>
      Object.entries(this.#summary.drops).map(([reason, value]) => ({ labels: { reason }, value })),
    );
    this.#one(
      'pen_transparent_connections_total',
      'counter',
      'What went otherwise than transparent asks, by what',
      () =>
        Object.entries(this.#summary.transparency ?? {}).map(([outcome, value]) => ({ labels: { outcome }, value })),
    );
  }

  /** Only with direct server return. */
  #addVips(): void {
    if (!this.#service.dataPlane.frames) return;
    const families: ReadonlyArray<readonly [string, 'counter' | 'gauge', string, (vip: VipSnapshot) => number]> = [
      ['pen_dsr_vip_servers', 'gauge', 'Servers of the VIP', ({ servers }) => servers],
      ['pen_dsr_vip_servers_in_service', 'gauge', 'Servers of the VIP that take flows', ({ inService }) => inService],
      ['pen_dsr_vip_packets_total', 'counter', 'Packets to the VIP that were sent on', ({ packets }) => packets],
      ['pen_dsr_vip_bytes_total', 'counter', 'Bytes to the VIP that were sent on', ({ bytes }) => bytes],
      ['pen_dsr_vip_flows_total', 'counter', 'Flows of the VIP that began or moved', ({ flows }) => flows],
    ];
    for (const [name, type, help, value] of families) {
      this.#one(name, type, help, () =>
        this.#summary.vips.map((vip) => ({ labels: { vip: vip.vip }, value: value(vip) })),
      );
    }
  }

  #addTls(): void {
    this.#one('pen_tls_handshakes_total', 'counter', 'TLS handshakes, by side and result', () => {
      const { tls } = this.#summary;
      if (!tls) return [];
      const { full, resumed, failed, toServers, toServersResumed, failedToServers } = tls.handshakes;
      const side = (name: string, counts: Readonly<Record<string, number>>) =>
        Object.entries(counts).map(([result, value]) => ({ labels: { side: name, result }, value }));
      return [
        ...side('client', { full, resumed, failed }),
        ...side('server', { full: toServers, resumed: toServersResumed, failed: failedToServers }),
      ];
    });
    this.#one(
      'pen_tls_cut_streams_total',
      'counter',
      'Streams that ended without the notice of TLS, by the side that sent them',
      () => {
        const { tls } = this.#summary;
        if (!tls) return [];
        const { cut, cutByServers } = tls.handshakes;
        return [
          { labels: { side: 'client' }, value: cut },
          { labels: { side: 'server' }, value: cutByServers },
        ];
      },
    );
    this.#one('pen_tls_certificate_expiry_timestamp_seconds', 'gauge', 'When a certificate in use ends', () => {
      const { certificates = [] } = this.#summary.tls ?? {};
      return certificates.map(({ name, keyType, subject, expiresMs }) => {
        return { labels: { name, key: keyType, subject }, value: expiresMs / 1000 };
      });
    });
  }

  #addWorkers(): void {
    this.#one('pen_workers', 'gauge', 'Worker threads', () => [{ value: this.#summary.threads }]);
    this.#one('pen_worker_cpu_seconds_total', 'counter', 'CPU time of each worker thread', () =>
      this.#service.dataPlane.workers().flatMap(({ place, thread }) => {
        const value = threadCpuSeconds(thread);
        return value === undefined ? [] : [{ labels: { worker: String(place) }, value }];
      }),
    );
  }

  #one(name: string, type: 'counter' | 'gauge', help: string, samples: () => readonly Sample[]): void {
    addFamily(this.#registry, { name, type, help }, samples);
  }
}

/** A family at a time; some read files of the kernel's. */
function* generalTexts(...registries: readonly Registry[]): Generator<Promise<string>> {
  for (const registry of registries) {
    for (const { name } of registry.getMetricsAsArray()) yield registry.getSingleMetricAsString(name);
  }
}
