/** `transparent`: servers see the address of the client, clients that of the server they wanted. */
import type { Settings } from '../../core/configuration.js';
import { transparencyLack, transparencyObstacle } from '../../sys/transparency.js';
import { choice, optional } from '../argument.js';
import { type Command, setting } from '../command.js';
import { CommandError } from '../errors.js';
import type { Service } from '../service.js';

const parts = ['port', 'strict', 'listen'] as const;
type Part = (typeof parts)[number] | undefined;
type Changes = Partial<Settings>;

export const transparentCommands: readonly Command[] = [
  setting({
    name: 'transparent',
    arguments: [optional(choice(parts))],
    section: 'Connections',
    help:
      'connect to servers from the address of the client; port: from its port too, where that is free; strict: refuse ' +
      'clients whose address a server cannot be shown (another family); listen: take clients on their way to other hosts',
    run({ draft, service }, part) {
      requireMeans(service);
      Object.assign(draft.settings, turnedOn(draft.settings, part));
      return undefined;
    },
  }),
  setting({
    name: 'no transparent',
    arguments: [optional(choice(parts))],
    section: 'Connections',
    help: 'off, or only that part of it',
    run({ draft }, part) {
      Object.assign(draft.settings, turnedOff(draft.settings, part));
      return undefined;
    },
  }),
];

function turnedOn({ transparent }: Settings, part: Part): Changes {
  if (part === 'listen') return { transparentListen: true };
  if (part === 'port') return { transparent: 'port' };
  if (part === 'strict') return { transparentStrict: true, ...(transparent === 'off' && { transparent: 'address' }) };
  return { transparent: 'address' };
}

function turnedOff({ transparent }: Settings, part: Part): Changes {
  if (part === 'listen') return { transparentListen: false };
  if (part === 'strict') return { transparentStrict: false };
  if (part === 'port') return transparent === 'port' ? { transparent: 'address' } : {};
  return { transparent: 'off', transparentListen: false, transparentStrict: false };
}

/** Throws CommandError where it could not work: before the start only what no start could change. */
function requireMeans(service: Service): void {
  if (service.engine === 'node') {
    throw new CommandError('the engine in use is node, which cannot (to change it restart without -O node)');
  }
  const obstacle = service.engine === undefined ? transparencyLack() : transparencyObstacle();
  if (obstacle !== '') throw new CommandError(`cannot use the address of a client: ${obstacle}`);
}
