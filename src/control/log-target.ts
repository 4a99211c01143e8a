/** What `log` and -l may name: a file, or HOST:PORT where penlogd takes datagrams. */
import { ipEndpoint, splitHostPort } from '../core/address.js';
import type { LogTarget } from '../core/configuration.js';
import { CommandError, quoted } from './errors.js';
import { resolveHost, resolvePort } from './resolve.js';

/**
 * A text with a colon and no slash is HOST:PORT, everything else names a file. Gives `before` again if it is the same, so
 * that a file which is in use is not opened once more. Throws CommandError.
 */
export async function resolveLogTarget(text: string, before: LogTarget | undefined): Promise<LogTarget> {
  const target = { text, endpoint: isAddress(text) ? await resolveAddress(text) : undefined };
  return before !== undefined && isSameTarget(target, before) ? before : target;
}

export function isSameTarget(a: LogTarget | undefined, b: LogTarget | undefined): boolean {
  if (a === b) return true;
  if (a === undefined || b === undefined || a.text !== b.text) return false;
  // A host may have moved.
  return a.endpoint?.address.join() === b.endpoint?.address.join() && a.endpoint?.port === b.endpoint?.port;
}

function isAddress(text: string): boolean {
  return text.includes(':') && !text.includes('/');
}

async function resolveAddress(text: string): Promise<LogTarget['endpoint']> {
  const { host, port } = splitHostPort(text);
  const hint = `a file whose name has a colon needs a slash: ./${text}`;
  if (host === undefined || port === undefined) throw new CommandError(`${quoted(text)} is not HOST:PORT (${hint})`);
  const number = await resolvePort(port, `; ${hint}`);
  if (number === 0) throw new CommandError(`${quoted(text)}: port 0 is none to send to`);
  return ipEndpoint(await resolveHost(host), number);
}
