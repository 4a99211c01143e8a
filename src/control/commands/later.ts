/** Commands whose capability is not built yet: they say so and change nothing; turning one off is no news. */
import { anything } from '../argument.js';
import { type Command, setting } from '../command.js';
import { CommandError } from '../errors.js';

const switches: ReadonlyArray<readonly [string, string]> = [['ascii', 'ASCII in debugging dumps']];

const others: ReadonlyArray<readonly [string, string, string]> = [
  ['ssl_ciphers', 'S', 'TLS ciphers'],
  ['ssl_client_renegotiation_interval', 'S', 'seconds between TLS renegotiations'],
  ['ssl_ocsp_response', 'FILE', 'file with the OCSP response'],
  ['ssl_option', 'O', 'TLS options'],
  ['ssl_sni_path', 'DIR', 'folder of certificates by server name'],
];

export const laterCommands: readonly Command[] = [
  ...switches.flatMap(([name, help]) => [unavailable(name, '', help), off(name, help)]),
  ...others.map(([name, argument, help]) => unavailable(name, argument, help)),
];

function unavailable(name: string, argument: string, help: string): Command {
  return setting({
    name,
    arguments: [anything(argument)],
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
