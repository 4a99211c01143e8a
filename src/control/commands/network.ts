/** Where Pen listens, where it is controlled, from where it connects, and with which engine. */
import { createSocket } from 'node:dgram';
import { formatEndpoint, formatIp, type IpEndpoint, ipEndpoint } from '../../core/address.js';
import { MAX_THREADS } from '../../core/configuration.js';
import { ENGINE_NAMES, type EngineName } from '../../engine/engine.js';
import { integer, optional, requireLocal, word } from '../argument.js';
import { action, type Command, setting } from '../command.js';
import { isUnspecified } from '../draft.js';
import { CommandError, causeOf } from '../errors.js';
import { resolveHost, resolveListenOrVip } from '../resolve.js';

const addressCommands: readonly Command[] = [
  setting({
    name: 'listen',
    arguments: [optional(word('[HOST:]PORT|PATH'))],
    section: 'Running',
    help: 'the address for clients; with an argument listen there instead',
    async run({ draft, service, origin }, text) {
      if (text !== undefined) {
        if (text.includes('/')) requireLocal(origin);
        draft.listen = await resolveListenOrVip(text);
      }
      const { listen } = draft;
      // Port 0 is the kernel's choice: once it is made, that is the answer.
      const isChosen = listen === service.setup.listen && listen?.endpoint.kind === 'ip' && listen.endpoint.port === 0;
      const bound = isChosen ? service.listening : undefined;
      return `${bound ? formatEndpoint(bound) : (listen?.text ?? '')}\n`;
    },
  }),
  action({
    name: 'control',
    section: 'Running',
    help: 'the address of the control port or socket',
    run({ service }) {
      return `${service.controlText}\n`;
    },
  }),
  setting({
    name: 'source',
    arguments: [word('IP')],
    section: 'Connections',
    help: 'the local address of connections to servers, 0.0.0.0 = the kernel chooses',
    async run({ draft }, text) {
      try {
        const endpoint = ipEndpoint(await resolveHost(text), 0);
        if (!isUnspecified(endpoint)) await requireOwn(endpoint);
        draft.settings.source = isUnspecified(endpoint) ? undefined : endpoint;
      } catch (error) {
        if (!(error instanceof CommandError)) throw error;
        const { message, isFromOutside, cause } = error;
        // C Pen's own words, which end without a newline.
        throw new CommandError(message, { reply: `unable to set source address to '${text}'`, isFromOutside, cause });
      }
      return undefined;
    },
  }),
];

/** `select` has no engine of its own: poll does the same without its limit of 1024 descriptors. */
const engineWords: ReadonlyArray<readonly [string, EngineName]> = [
  ...ENGINE_NAMES.map((name) => [name, name] as const),
  ['select', 'poll'],
];

const threadsCommand = setting({
  name: 'threads',
  arguments: [optional(integer('N', 0, MAX_THREADS))],
  section: 'Running',
  help: 'worker threads, 0 = one for each core; chosen at the start',
  isNew: true,
  run({ draft, service }, threads) {
    const inUse = service.threads;
    if (threads !== undefined) {
      if (inUse !== undefined && threads !== inUse && threads !== draft.settings.threads) {
        throw new CommandError(`pen runs with ${inUse} (to change it restart with -O "threads ${threads}")`);
      }
      draft.settings.threads = threads;
    }
    return `${inUse ?? draft.settings.threads}\n`;
  },
});

export const networkCommands: readonly Command[] = [
  ...addressCommands,
  threadsCommand,
  ...engineWords.map(engineCommand),
];

function engineCommand([name, engine]: readonly [string, EngineName]): Command {
  return setting({
    name,
    section: 'Running',
    help: `use the ${engine} engine; it is chosen at the start`,
    isNew: name === 'uring' || name === 'node',
    run({ draft, service }) {
      if (!service.engines.includes(engine)) {
        throw new CommandError(`this platform has none (it has ${service.engines.join(', ')})`);
      }
      if (service.engine !== undefined && service.engine !== engine) {
        throw new CommandError(`the engine in use is ${service.engine} (to change it restart with -O ${name})`);
      }
      draft.engine = engine;
      return undefined;
    },
  });
}

/** Throws CommandError unless the address is one of this host's: what UDP can bind, TCP can connect from. */
async function requireOwn({ address, family }: IpEndpoint): Promise<void> {
  const text = formatIp(address);
  const probe = createSocket(family === 4 ? 'udp4' : 'udp6');
  try {
    await new Promise<void>((resolve, reject) => {
      probe.once('error', reject);
      probe.bind({ address: text, port: 0, exclusive: true }, resolve);
    });
  } catch (error) {
    const code = causeOf(error);
    const hint = code === 'EADDRNOTAVAIL' ? ' (no address of this machine)' : '';
    const message = `cannot connect from '${text}': ${code}${hint}`;
    throw new CommandError(message, { isFromOutside: true, cause: error });
  } finally {
    probe.close();
  }
}
