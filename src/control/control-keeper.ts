/** Keeps the control port: opened once, and guarded as each Setup says. */
import { Acl } from '../core/acl.js';
import { formatEndpoint } from '../core/address.js';
import type { Origin } from './argument.js';
import { controlAclOf, LOOPBACK_V4, requireGuarded } from './control-access.js';
import { ControlServer } from './control-server.js';
import type { Setup } from './draft.js';
import { CommandError } from './errors.js';
import { resolveListen } from './resolve.js';

export class ControlKeeper {
  /** The control address as it was given; '' if there is none. */
  text = '';
  #server: ControlServer | undefined;
  #acl = new Acl([]);

  /** Opens the control port or socket. Throws CommandError, also for a port that strangers could reach. */
  async open(
    text: string,
    setup: Setup,
    { root, execute }: { root: boolean; execute(line: string, origin: Origin): Promise<string> },
  ): Promise<void> {
    const { endpoint } = await resolveListen(text, LOOPBACK_V4);
    if (endpoint.kind === 'ip' && root) {
      throw new CommandError(`control port '${text}' refused as root (use -u, or a Unix socket)`);
    }
    requireGuarded(endpoint, setup);
    this.#server = await ControlServer.listen(endpoint, {
      execute,
      admits: (address) => this.#acl.permits(address),
    });
    const isChosen = endpoint.kind === 'ip' && endpoint.port === 0;
    this.text = isChosen ? formatEndpoint(this.#server.endpoint) : text;
  }

  /** Throws CommandError if strangers could reach the port under that Setup. */
  require(setup: Setup): void {
    if (this.#server) requireGuarded(this.#server.endpoint, setup);
  }

  /** Obeys a Setup that is in force. */
  use(setup: Setup): void {
    this.#acl = controlAclOf(setup);
  }

  async close(): Promise<void> {
    await this.#server?.close();
  }
}
