/**
 * A network of hosts on one machine: a namespace for each host, a bridge for each segment, a veth pair between them.
 * What happens there stays there. Needs root and Linux; everything goes away with the test, with the process, and,
 * should that be killed outright, with the next bed that is made.
 *
 *   client ── lan ─┐
 *   balancer ─ lan ┼─ bridge "lan" in a namespace of its own (the hub)
 *   www1 ──── lan ─┘
 */
import { type ChildProcess, execFile, execFileSync, spawn } from 'node:child_process';
import { existsSync, readdirSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { atEnd, type Scene } from './ending.js';
import { isAlive } from './process.js';
import { find, missing } from './program.js';
import { until, within } from './wait.js';

const execute = promisify(execFile);
const NAMESPACES = '/run/netns';

/** Segment (also the name of the interface) -> addresses with their prefix length. */
export type Interfaces = Readonly<Record<string, readonly string[]>>;

export interface BedScript {
  /** Host -> its interfaces. Names are short: an interface's may have 15 letters. */
  readonly hosts: Readonly<Record<string, Interfaces>>;
  /**
   * Lets hosts transmit from XDP: the other end of their cables gets an XDP program that passes all. If hosts are named,
   * the other cables keep their offloads, and so carry several times as much.
   */
  readonly xdp?: boolean | readonly string[];
}

export interface Bed {
  host(name: string): Host;
  /** Connects two segments by a cable that carries so much each way (tc-tbf(8), `100mbit`). */
  join(one: string, other: string, rate: string): Promise<void>;
  /** Pulls a host's cables out of the switch: its own ends notice nothing. */
  cut(host: string): Promise<void>;
}

/** A finished program of a host. */
export interface Ran {
  readonly status: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** The `skip` option of a test on a bed: false, or what is missing. */
export function bedMissing(...programs: string[]): string | false {
  if (process.platform !== 'linux') return 'network namespaces are Linux';
  if (process.getuid?.() !== 0) return 'needs root';
  return missing('ip', 'ethtool', ...programs);
}

let made = 0;
/** What is to be removed if the process ends before its tests do. */
const standing = new Set<Host>();

export class Host {
  readonly name: string;
  /** Name of its namespace, for `ip netns exec`. */
  readonly namespace: string;

  constructor(name: string, namespace: string) {
    this.name = name;
    this.namespace = namespace;
  }

  /** Runs a program to its end; fails if its status is not 0. */
  async run(program: string, args: readonly string[], timeoutMs = 60_000): Promise<string> {
    const { status, stdout, stderr } = await this.try(program, args, timeoutMs);
    if (status === 0) return stdout;
    throw new Error(`${program} ${args.join(' ')} on ${this.name} ended with ${status}: ${stderr || stdout}`);
  }

  /** Runs a program to its end, whatever that is. */
  async try(program: string, args: readonly string[], timeoutMs = 60_000): Promise<Ran> {
    const words = ['netns', 'exec', this.namespace, find(program) ?? program, ...args];
    return await execute('ip', words, { timeout: timeoutMs, maxBuffer: 1 << 26 }).then(
      ({ stdout, stderr }) => ({ status: 0, stdout, stderr }),
      (error) => ({
        status: typeof error.code === 'number' ? error.code : -1,
        stdout: `${error.stdout ?? ''}`,
        stderr: `${error.stderr ?? ''}${error.killed ? `(killed after ${timeoutMs} ms)` : ''}`,
      }),
    );
  }

  /** Starts a program that goes on until the test is over; `said` is its output so far. */
  start(t: Scene, program: string, args: readonly string[]): Running {
    const words = ['netns', 'exec', this.namespace, find(program) ?? program, ...args];
    const child = spawn('ip', words, { stdio: ['pipe', 'pipe', 'pipe'] });
    let said = '';
    for (const stream of [child.stdout, child.stderr]) {
      stream.setEncoding('utf8').on('data', (text: string) => {
        said += text;
      });
    }
    const ended = new Promise<void>((resolve) => child.on('close', () => resolve()));
    const stop = async (signal: NodeJS.Signals = 'SIGTERM') => {
      if (child.exitCode === null && child.signalCode === null) child.kill(signal);
      await within(`end of ${program} on ${this.name}`, ended);
    };
    atEnd(t, () => stop());
    return { child, said: () => said, stop, ended };
  }

  /** `ip ARGS` inside. */
  ip(...args: string[]): Promise<string> {
    return this.run('ip', args);
  }

  /** Sets kernel parameters, `net.ipv4.ip_forward=1`. */
  async sysctl(...settings: string[]): Promise<void> {
    await this.run('sysctl', ['-qw', ...settings]);
  }

  /** Waits for a TCP server of this host to listen. */
  async listens(port: number): Promise<void> {
    await until(`${this.name} listens on port ${port}`, async () => {
      const sockets = await this.run('ss', ['-Hltn', `sport = :${port}`]);
      return sockets.trim() !== '';
    });
  }
}

export interface Running {
  readonly child: ChildProcess;
  said(): string;
  stop(signal?: NodeJS.Signals): Promise<void>;
  readonly ended: Promise<void>;
}

/** Builds the network; it is taken down when the test is over. */
export async function bed(t: Scene, script: BedScript): Promise<Bed> {
  sweep();
  const prefix = `pen-${process.pid}-${made++}`;
  const hub = new Host('hub', `${prefix}-hub`);
  const hosts = new Map(Object.keys(script.hosts).map((name) => [name, new Host(name, `${prefix}-${name}`)]));
  atEnd(t, () => Promise.all([hub, ...hosts.values()].map(remove)));
  for (const host of [hub, ...hosts.values()]) await add(host);

  const segments = new Set(Object.values(script.hosts).flatMap(Object.keys));
  for (const segment of segments) {
    await hub.ip('link', 'add', segment, 'type', 'bridge');
    await hub.ip('link', 'set', segment, 'up');
  }
  const ports: string[] = [];
  const portsOf = new Map<string, string[]>();
  const passing: string[] = [];
  for (const [name, interfaces] of Object.entries(script.hosts)) {
    const host = hosts.get(name) as Host;
    for (const [segment, addresses] of Object.entries(interfaces)) {
      const port = `p${ports.length}`;
      ports.push(port);
      portsOf.set(name, [...(portsOf.get(name) ?? []), port]);
      const isBare = !Array.isArray(script.xdp) || script.xdp.includes(name);
      if (script.xdp && isBare) passing.push(port);
      await plug(hub, host, { segment, port, addresses, isBare });
    }
  }
  if (passing.length > 0) await passAll(t, hub, passing);
  return {
    host(name) {
      const host = hosts.get(name);
      if (!host) throw new Error(`the bed has no host '${name}'`);
      return host;
    },
    async cut(name) {
      for (const port of portsOf.get(name) ?? []) await hub.ip('link', 'set', port, 'nomaster');
    },
    async join(one, other, rate) {
      await hub.ip('link', 'add', `${one}-up`, 'type', 'veth', 'peer', 'name', `${other}-up`);
      for (const segment of [one, other]) {
        await withoutOffloads(hub, `${segment}-up`);
        const limit = ['rate', rate, 'burst', '128kb', 'latency', '50ms'];
        await hub.run('tc', ['qdisc', 'add', 'dev', `${segment}-up`, 'root', 'tbf', ...limit]);
        await hub.ip('link', 'set', `${segment}-up`, 'master', segment, 'up');
      }
    },
  };
}

async function add(host: Host): Promise<void> {
  standing.add(host);
  await execute('ip', ['netns', 'add', host.namespace]);
  // No waiting for duplicate address detection, no addresses that nobody asked for.
  await host.sysctl(
    'net.ipv6.conf.all.accept_dad=0',
    'net.ipv6.conf.default.accept_dad=0',
    'net.ipv6.conf.default.accept_ra=0',
  );
  await host.ip('link', 'set', 'lo', 'up');
}

/** A cable between a host and a bridge. */
async function plug(
  hub: Host,
  host: Host,
  cable: {
    readonly segment: string;
    readonly port: string;
    readonly addresses: readonly string[];
    readonly isBare: boolean;
  },
): Promise<void> {
  const { segment, port, addresses, isBare } = cable;
  await hub.ip('link', 'add', port, 'type', 'veth', 'peer', 'name', segment, 'netns', host.namespace);
  if (isBare) {
    await withoutOffloads(hub, port);
    await withoutOffloads(host, segment);
  }
  await hub.ip('link', 'set', port, 'master', segment, 'up');
  await host.ip('link', 'set', segment, 'up');
  for (const address of addresses) {
    await host.ip('address', 'add', address, 'dev', segment, ...(address.includes(':') ? ['nodad'] : []));
  }
}

/**
 * XDP sees frames as they are in memory: with these on, checksums are unfinished, several segments are one frame, and
 * VLAN tags stand beside it.
 */
async function withoutOffloads(host: Host, device: string): Promise<void> {
  const off = ['tx', 'tso', 'gso', 'gro', 'txvlan', 'rxvlan'].flatMap((feature) => [feature, 'off']);
  await host.run('ethtool', ['-K', device, ...off]);
}

/** On veth, XDP_TX needs an XDP program at the other end too; a process of the hub holds them. */
async function passAll(t: Scene, hub: Host, ports: readonly string[]): Promise<void> {
  const holder = hub.start(t, process.execPath, [fileURLToPath(new URL('xdp-pass.js', import.meta.url)), ...ports]);
  await until(`XDP programs on ${ports.join(', ')}: ${holder.said()}`, () => {
    if (holder.child.exitCode !== null) throw new Error(`xdp-pass ended: ${holder.said()}`);
    return holder.said().includes('attached');
  });
}

async function remove(host: Host): Promise<void> {
  if (!standing.delete(host)) return;
  await execute('ip', ['netns', 'pids', host.namespace]).then(
    ({ stdout }) => kill(stdout),
    () => {},
  );
  await execute('ip', ['netns', 'delete', host.namespace]).catch(() => {});
}

/** Ends what still runs in a namespace of ours. */
function kill(pids: string): void {
  for (const pid of pids.split('\n').filter(Boolean)) {
    try {
      process.kill(Number(pid), 'SIGKILL');
    } catch {
      // It ended by itself.
    }
  }
}

function removeNow(namespace: string): void {
  try {
    kill(execFileSync('ip', ['netns', 'pids', namespace], { encoding: 'utf8' }));
    execFileSync('ip', ['netns', 'delete', namespace]);
  } catch {
    // Gone already.
  }
}

/** Removes what processes have left behind that are no more. */
function sweep(): void {
  if (!existsSync(NAMESPACES)) return;
  for (const namespace of readdirSync(NAMESPACES)) {
    const owner = /^pen-(\d+)-\d+-/.exec(namespace)?.[1];
    if (owner !== undefined && !isAlive(Number(owner))) removeNow(namespace);
  }
}

process.on('exit', () => {
  for (const host of standing) removeNow(host.namespace);
});
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
  process.once(signal, () => process.exit(1));
}
