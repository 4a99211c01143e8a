/** Where Pen listens, where it is controlled, from where it connects, and with which engine. */
import { formatEndpoint, ipEndpoint } from '../../core/address.js';
import { ENGINE_NAMES, type EngineName } from '../../engine/engine.js';
import { optional, requireLocal, word } from '../argument.js';
import { action, type Command, setting } from '../command.js';
import { isUnspecified } from '../draft.js';
import { CommandError, causeOf } from '../errors.js';
import { resolveHost, resolveListen } from '../resolve.js';

const addressCommands: readonly Command[] = [
  setting({
    name: 'listen',
    arguments: [optional(word('[HOST:]PORT|PATH'))],
    section: 'Running',
    help: 'the address for clients; with an argument listen there instead',
    async run({ draft, service, origin }, text) {
      if (text !== undefined) {
        if (text.includes('/')) requireLocal(origin);
        draft.listen = await resolveListen(text);
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
        draft.settings.source = isUnspecified(endpoint) ? undefined : endpoint;
      } catch (error) {
        // C Pen's own words, which end without a newline.
        const reply = `unable to set source address to '${text}'`;
        throw new CommandError(causeOf((error as Error).message), { reply, cause: error });
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

export const networkCommands: readonly Command[] = [...addressCommands, ...engineWords.map(engineCommand)];

function engineCommand([name, engine]: readonly [string, EngineName]): Command {
  return setting({
    name,
    section: 'Running',
    help: `use the ${engine} engine; it is chosen at the start`,
    isNew: name === 'uring' || name === 'node',
    run({ draft, service }) {
      if (!service.engines.includes(engine)) throw new CommandError('not available yet');
      if (service.engine !== undefined && service.engine !== engine) {
        throw new CommandError(`the engine in use is ${service.engine} (to change it restart with -O ${name})`);
      }
      draft.engine = engine;
      return undefined;
    },
  });
}
