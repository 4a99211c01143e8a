/** Commands whose capability is not built yet: they say so and change nothing; turning one off is no news. */
import { anything } from '../argument.js';
import { type Command, setting } from '../command.js';
import { CommandError } from '../errors.js';

const switches: ReadonlyArray<readonly [string, string]> = [['ascii', 'ASCII in debugging dumps']];

export const laterCommands: readonly Command[] = [
  ...switches.flatMap(([name, help]) => [unavailable(name, help), off(name, help)]),
];

function unavailable(name: string, help: string): Command {
  return setting({
    name,
    arguments: [anything('')],
    section: 'Later',
    help: `not available yet: ${help}`,
    run() {
      throw new CommandError('not available yet');
    },
  });
}

function off(name: string, help: string): Command {
  return setting({
    name: `no ${name}`,
    section: 'Later',
    help: `off: ${help}`,
    run() {
      return undefined;
    },
  });
}
