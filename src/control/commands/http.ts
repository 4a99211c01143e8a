/** `http`: requests say who their client is. */
import { MAX_ACLS, NONE } from '../../core/configuration.js';
import { type Argument, parseInteger } from '../argument.js';
import { action, type Command, setting } from '../command.js';
import { CommandError, quoted } from '../errors.js';

type Part = { readonly key: 'http' | 'httpForwarded' } | { readonly key: 'httpTrust'; readonly acl: number };

/** Nothing, `forwarded`, or `trust` with an ACL where it is turned on. */
function part(usage: string, takesAcl: boolean): Argument<Part> {
  return {
    usage,
    ...(takesAcl && { range: `ACL: 0 to ${MAX_ACLS - 1}` }),
    take(words) {
      const word = words.next();
      if (word === undefined) return { key: 'http' };
      if (word === 'forwarded') return { key: 'httpForwarded' };
      if (word !== 'trust') throw new CommandError(`expected trust or forwarded, got ${quoted(word)}`);
      return { key: 'httpTrust', acl: takesAcl ? parseInteger(words.next(), 0, MAX_ACLS - 1) : NONE };
    },
  };
}

export const httpCommands: readonly Command[] = [
  setting({
    name: 'http',
    arguments: [part('[trust ACL|forwarded]', true)],
    section: 'Connections',
    help:
      'X-Forwarded-For and X-Forwarded-Proto in every HTTP request; trust: clients whose own are kept and extended, ' +
      'instead of replaced; forwarded: a Forwarded field (RFC 7239) too',
    run({ draft }, what) {
      if (what.key === 'httpTrust') draft.settings.httpTrust = what.acl;
      else draft.settings[what.key] = true;
      return undefined;
    },
  }),
  setting({
    name: 'no http',
    arguments: [part('[trust|forwarded]', false)],
    section: 'Connections',
    help: 'off, or only that part of it',
    run({ draft }, what) {
      if (what.key === 'httpTrust') draft.settings.httpTrust = NONE;
      else draft.settings[what.key] = false;
      return undefined;
    },
  }),
  action({
    name: 'refusals',
    section: 'Looking',
    help: 'clients that were turned away, by reason',
    isNew: true,
    run({ service }) {
      return Object.entries(service.dataPlane.servers.meters.refusals())
        .map(([reason, count]) => `${reason} ${count}\n`)
        .join('');
    },
  }),
];
