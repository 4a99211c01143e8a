/** Which engine this system can run, and why that one. */
import { errnoName, SystemError } from '../sys/errno.js';
import { hasFfi } from '../sys/ffi.js';
import type { DatagramHandler, DatagramOptions, Datagrams } from './datagrams.js';
import { ENGINE_NAMES, type Engine, type EngineHandler, type EngineName } from './engine.js';
import type { Poller } from './readiness/poller.js';

export interface EngineChoice {
  readonly name: EngineName;
  /** One line for the log: what was chosen and why. */
  readonly reason: string;
}

interface Offer {
  /** What the log calls it. */
  readonly title: string;
  /** Platforms that have it; undefined: all. */
  readonly platforms: readonly string[] | undefined;
  /** Why it cannot be used, on such a platform; empty if it can. */
  obstacle(): Promise<string>;
  make(handler: EngineHandler): Promise<Engine>;
  makeDatagrams(handler: DatagramHandler, options: DatagramOptions): Promise<Datagrams>;
}

const KQUEUE_PLATFORMS = ['freebsd', 'openbsd', 'darwin'];

const offers: Record<EngineName, Offer> = {
  uring: {
    title: 'io_uring',
    platforms: ['linux'],
    obstacle() {
      return byTrying(async () => (await import('./uring/probe.js')).probe(), {
        EPERM: 'forbidden here (a container, or kernel.io_uring_disabled)',
        ENOSYS: 'this kernel lacks it (5.19 or newer needed)',
      });
    },
    async make(handler) {
      const { UringEngine } = await import('./uring/uring-engine.js');
      return new UringEngine(handler);
    },
    async makeDatagrams(handler, options) {
      const { RingPoller } = await import('./uring/ring-poller.js');
      return onDescriptors('uring', new RingPoller(), handler, options);
    },
  },
  epoll: readiness('epoll', ['linux'], async () => {
    const { EpollPoller } = await import('./readiness/epoll.js');
    return new EpollPoller();
  }),
  kqueue: readiness('kqueue', KQUEUE_PLATFORMS, async () => {
    const { KqueuePoller } = await import('./readiness/kqueue.js');
    return new KqueuePoller();
  }),
  poll: readiness('poll', ['linux', ...KQUEUE_PLATFORMS], async () => {
    const { PollPoller } = await import('./readiness/poll.js');
    return new PollPoller();
  }),
  node: {
    title: 'node',
    platforms: undefined,
    obstacle: async () => '',
    async make(handler) {
      const { NodeEngine } = await import('./node/node-engine.js');
      return new NodeEngine(handler);
    },
    async makeDatagrams(handler, options) {
      const { NodeDatagrams } = await import('./node/node-datagrams.js');
      return new NodeDatagrams(handler, options);
    },
  },
};

/** The engines that this platform has, the fastest first; whether one works here is another question. */
export const AVAILABLE_ENGINES: readonly EngineName[] = ENGINE_NAMES.filter(
  (name) => offers[name].platforms?.includes(process.platform) ?? true,
);

/** Each engine is tried once a process. */
const obstacles = new Map<EngineName, Promise<string>>();

/** Chooses the fastest engine that works here, or checks the one asked for; throws an Error that says why it can't be. */
export async function chooseEngine(wanted: EngineName | 'auto'): Promise<EngineChoice> {
  if (wanted !== 'auto') {
    const obstacle = await obstacleTo(wanted);
    if (obstacle === '') return { name: wanted, reason: 'asked for' };
    const { name } = await fastest();
    throw new Error(`cannot use engine "${wanted}": ${obstacle} (try ${name})`);
  }
  const { name, missed } = await fastest();
  return { name, reason: missed === '' ? `${offers[name].title} works here` : missed };
}

/** Makes an engine of that kind on the calling thread. */
export function createEngine(name: EngineName, handler: EngineHandler): Promise<Engine> {
  return offers[name].make(handler);
}

/** The same for datagrams. */
export function createDatagrams(
  name: EngineName,
  handler: DatagramHandler,
  options: DatagramOptions,
): Promise<Datagrams> {
  return offers[name].makeDatagrams(handler, options);
}

/** The first that works, and why not the ones before it. */
async function fastest(): Promise<{ name: EngineName; missed: string }> {
  const missed: string[] = [];
  for (const name of AVAILABLE_ENGINES) {
    const obstacle = await obstacleTo(name);
    if (obstacle === '') return { name, missed: missed.join('; ') };
    missed.push(`no ${offers[name].title}: ${obstacle}`);
  }
  return { name: 'node', missed: missed.join('; ') };
}

async function obstacleTo(name: EngineName): Promise<string> {
  if (!AVAILABLE_ENGINES.includes(name)) return `${process.platform} has none`;
  let known = obstacles.get(name);
  if (known === undefined) {
    known = offers[name].obstacle();
    obstacles.set(name, known);
  }
  return known;
}

function readiness(name: EngineName, platforms: readonly string[], poller: () => Promise<Poller>): Offer {
  return {
    title: name,
    platforms,
    obstacle() {
      return byTrying(async () => (await poller()).close());
    },
    async make(handler) {
      const { ReadinessEngine } = await import('./readiness/readiness-engine.js');
      return new ReadinessEngine(name, await poller(), handler);
    },
    async makeDatagrams(handler, options) {
      return onDescriptors(name, await poller(), handler, options);
    },
  };
}

async function onDescriptors(
  name: EngineName,
  poller: Poller,
  handler: DatagramHandler,
  options: DatagramOptions,
): Promise<Datagrams> {
  const { DescriptorDatagrams } = await import('./datagrams/descriptor-datagrams.js');
  return new DescriptorDatagrams(name, poller, handler, options);
}

/** Empty if the attempt succeeds, else the reason: in the given words, or the error's name. */
async function byTrying(attempt: () => Promise<void>, words: Record<string, string> = {}): Promise<string> {
  if (!hasFfi()) return `no FFI on ${process.arch}`;
  try {
    await attempt();
    return '';
  } catch (error) {
    if (!(error instanceof SystemError)) throw error;
    return words[error.code] ?? errnoName(error.errno);
  }
}
