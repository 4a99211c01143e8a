/** Which engine this system can run, and why that one. */
import { errnoName, SystemError } from '../sys/errno.js';
import { hasFfi } from '../sys/ffi.js';
import type { Engine, EngineHandler, EngineName } from './engine.js';

export interface EngineChoice {
  readonly name: EngineName;
  /** One line for the log: what was chosen and why. */
  readonly reason: string;
}

/** Engines that this build has; the words of the others are known and answered with "not available yet". */
export const AVAILABLE_ENGINES: readonly EngineName[] = ['uring', 'node'];

let cached: string | undefined;

/** Chooses the fastest engine that works here, or checks the one asked for; throws an Error that says why it can't be. */
export async function chooseEngine(wanted: EngineName | 'auto'): Promise<EngineChoice> {
  if (wanted !== 'auto' && !AVAILABLE_ENGINES.includes(wanted))
    throw new Error(`engine "${wanted}" is not available yet`);
  if (wanted === 'node') return { name: 'node', reason: 'asked for' };
  cached ??= await whyNoUring();
  if (cached === '') return { name: 'uring', reason: wanted === 'uring' ? 'asked for' : 'io_uring works here' };
  if (wanted === 'uring') throw new Error(`cannot use engine "uring": ${cached} (try node)`);
  return { name: 'node', reason: `no io_uring: ${cached}` };
}

/** Makes an engine of that kind on the calling thread. */
export async function createEngine(name: EngineName, handler: EngineHandler): Promise<Engine> {
  if (name === 'uring') {
    const { UringEngine } = await import('./uring/uring-engine.js');
    return new UringEngine(handler);
  }
  if (name === 'node') {
    const { NodeEngine } = await import('./node/node-engine.js');
    return new NodeEngine(handler);
  }
  throw new Error(`engine "${name}" is not available yet`);
}

/** Empty if io_uring is here and new enough, else the reason. */
async function whyNoUring(): Promise<string> {
  if (process.platform !== 'linux') return `${process.platform} has none`;
  if (!hasFfi()) return `no FFI on ${process.arch}`;
  try {
    const { probe } = await import('./uring/probe.js');
    probe();
    return '';
  } catch (error) {
    if (!(error instanceof SystemError)) throw error;
    if (error.code === 'EPERM') return 'forbidden here (a container, or kernel.io_uring_disabled)';
    if (error.code === 'ENOSYS') return 'this kernel lacks it (5.19 or newer needed)';
    return errnoName(error.errno);
  }
}
