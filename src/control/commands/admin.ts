/** The admin pages: where they are served, and the token that they ask for. */
import { readFile, stat } from 'node:fs/promises';
import { formatEndpoint } from '../../core/address.js';
import { fileName, optional, requireLocal, word } from '../argument.js';
import { type Command, setting } from '../command.js';
import { LOOPBACK_V4 } from '../control-access.js';
import type { AdminToken } from '../draft.js';
import { CommandError, causeOf, quoted } from '../errors.js';
import { resolveListen } from '../resolve.js';

/** Short ones are guessed; RFC 6750 section 2.1 says which characters a bearer token may have. */
const TOKEN = /^[A-Za-z0-9._~+/-]{16,512}=*$/;
const LONGEST_FILE = 4096;

export const adminCommands: readonly Command[] = [
  setting({
    name: 'admin',
    arguments: [optional(word('[HOST:]PORT|PATH'))],
    section: 'Running',
    help: 'where dashboard, metrics and the HTTP API are served, on this host only unless HOST is given; nowhere at first',
    isNew: true,
    async run({ draft, service, origin }, text) {
      if (text !== undefined) {
        if (text.includes('/')) requireLocal(origin);
        draft.admin = await resolveListen(text, LOOPBACK_V4);
      }
      const { admin } = draft;
      if (admin === undefined) return undefined;
      const isOpen = admin === service.setup.admin && service.adminEndpoint !== undefined;
      return `${isOpen && service.adminEndpoint ? formatEndpoint(service.adminEndpoint) : admin.text}\n`;
    },
  }),
  setting({
    name: 'no admin',
    section: 'Running',
    help: 'no dashboard, metrics or HTTP API',
    isNew: true,
    run({ draft }) {
      draft.admin = undefined;
      return undefined;
    },
  }),
  setting({
    name: 'admin_token',
    arguments: [optional(fileName('FILE'))],
    section: 'Files',
    help: 'the file with the token (16 characters or more) that the admin port asks for; it is read now',
    isNew: true,
    async run({ draft }, file) {
      if (file !== undefined) draft.adminToken = await readToken(file);
      return draft.adminToken === undefined ? undefined : `${draft.adminToken.file}\n`;
    },
  }),
  setting({
    name: 'no admin_token',
    section: 'Files',
    help: 'no token: only this host may use the admin port',
    isNew: true,
    run({ draft }) {
      draft.adminToken = undefined;
      return undefined;
    },
  }),
];

/** Throws CommandError; never says what is in the file. */
async function readToken(file: string): Promise<AdminToken> {
  let token: string;
  try {
    const found = await stat(file);
    if (!found.isFile() || found.size > LONGEST_FILE) throw new Error('no regular file of at most 4 kB');
    token = (await readFile(file, 'utf8')).trim();
  } catch (error) {
    throw new CommandError(`cannot read ${quoted(file)}: ${causeOf(error)}`, { isFromOutside: true, cause: error });
  }
  if (!TOKEN.test(token)) {
    const text = `${quoted(file)} holds no token (16 to 512 of A-Z a-z 0-9 - . _ ~ + /, for example: openssl rand -hex 32)`;
    throw new CommandError(text, { isFromOutside: true });
  }
  return { file, token };
}
