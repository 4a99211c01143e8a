/** Who does the cryptography here: Node's own OpenSSL by FFI or, where that is not to be had, `node:tls`. */
import type { Counters } from '../core/counters.js';
import type { Engine, EngineHandler, EngineName } from '../engine/engine.js';
import { hasFfi } from '../sys/ffi.js';
import type { TlsHandler, TlsKeys, TlsLayer } from './tls-layer.js';
import { Transport } from './transport.js';

let obstacle: string | undefined;

/** Why OpenSSL cannot be driven, '' if it can: functions, memory, BIOs that behave as expected. Tried once. */
export function openSslObstacle(): string {
  if (obstacle === undefined) {
    try {
      new Transport().close();
      obstacle = '';
    } catch (error) {
      obstacle = (error as Error).message;
    }
  }
  return obstacle;
}

/** Why there is no TLS with that engine, '' if there is: `node:tls` needs the event loop, which only `node` leaves it. */
export function tlsObstacle(engine: EngineName | 'auto'): string {
  if (openSslObstacle() === '' || engine === 'node' || (engine === 'auto' && !hasFfi())) return '';
  return `${openSslObstacle()} (with the engine "node" there would be)`;
}

export interface Tls<Handler extends TlsHandler> {
  readonly handler: Handler;
  readonly keys: TlsKeys;
  readonly engine: TlsLayer;
}

/** A thread's TLS around the engine that `makeEngine` makes. */
export async function createTls<Handler extends TlsHandler>(
  name: EngineName,
  counters: Counters,
  makeHandler: (keys: TlsKeys) => Handler,
  makeEngine: (handler: EngineHandler) => Promise<Engine>,
): Promise<Tls<Handler>> {
  if (name === 'node' && openSslObstacle() !== '') {
    const [{ NodeVault }, { NodeTlsEngine }] = await Promise.all([
      import('./node/node-vault.js'),
      import('./node/node-tls-engine.js'),
    ]);
    const keys = new NodeVault(counters);
    const handler = makeHandler(keys);
    return { keys, handler, engine: await NodeTlsEngine.create(handler, keys, makeEngine) };
  }
  const [{ Vault }, { TlsEngine }] = await Promise.all([import('./vault.js'), import('./tls-engine.js')]);
  const keys = new Vault(counters);
  const handler = makeHandler(keys);
  return { keys, handler, engine: await TlsEngine.create(handler, keys, makeEngine) };
}
