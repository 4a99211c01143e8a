/** What stands on the command line without an option before it. */
import { ANY_V4, ipEndpoint } from '../core/address.js';
import type { Script } from './config-file.js';
import type { Draft } from './draft.js';
import { resolveListenOrVip, resolveServer } from './resolve.js';
import type { CommandLine } from './service-options.js';

/** LISTEN and SERVER... of the command line. */
export async function placeOperands(draft: Draft, commandLine: CommandLine, script: Script): Promise<void> {
  const { listen, servers } = commandLine;
  try {
    if (listen !== undefined) draft.listen = await resolveListenOrVip(listen);
  } catch (error) {
    script.report('listen address', 'option', error);
    // Nothing will be started; servers without a port of their own are not to be blamed for it as well.
    draft.listen = { text: '', endpoint: ipEndpoint(ANY_V4, 0) };
  }
  for (const [slot, text] of servers.entries()) {
    try {
      draft.setServer(slot, await resolveServer(text, draft.listen?.endpoint));
    } catch (error) {
      script.report(`server ${slot}`, 'option', error);
    }
  }
}
