/** Access lists: ten of them, each a list of entries of which the first that matches decides. */
import type { AclEntry } from '../../core/acl.js';
import { type IpWords, parseIp } from '../../core/address.js';
import { MAX_ACLS } from '../../core/configuration.js';
import { type Argument, choice, integer, parseInteger, takeWord } from '../argument.js';
import { type Command, setting } from '../command.js';
import { CommandError, quoted } from '../errors.js';
import type { Words } from '../words.js';

type Network = { readonly address: IpWords; readonly mask: IpWords };

/** `ADDR [MASK]`, `ADDR6[/LEN]` or `country CC`. */
const who: Argument<Network> = {
  usage: 'ADDR [MASK]|ADDR6[/LEN]|country CC',
  range: 'LEN: 0 to 128',
  take(words) {
    const word = takeWord(words, 'an address');
    if (word === 'country') {
      takeWord(words, 'a country code');
      throw new CommandError('country: not available yet');
    }
    return word.includes(':') ? network6(word) : network4(word, words);
  },
};

const listNumber = integer('N', 0, MAX_ACLS - 1);

export const aclCommands: readonly Command[] = [
  setting({
    name: 'acl',
    arguments: [listNumber, choice(['permit', 'deny'] as const), who],
    section: 'Clients and ACLs',
    help: 'add an entry to ACL N; the end of a list means the opposite of its last entry, an empty list permits all',
    run({ draft }, number, verdict, network) {
      const entry: AclEntry = { permit: verdict === 'permit', kind: 'network', ...network };
      draft.appendAcl(number, entry);
      return undefined;
    },
  }),
  setting({
    name: 'no acl',
    arguments: [listNumber],
    section: 'Clients and ACLs',
    help: 'empty ACL N',
    run({ draft }, number) {
      draft.clearAcl(number);
      return undefined;
    },
  }),
];

function network4(word: string, words: Words): Network {
  if (word.includes('/')) {
    throw new CommandError(`${quoted(word)} is no IPv4 address (write the mask as a word: 10.0.0.0 255.0.0.0)`);
  }
  const maskWord = words.next() ?? '255.255.255.255';
  const mask = parseIp(maskWord);
  if (!mask || maskWord.includes(':')) {
    throw new CommandError(`${quoted(maskWord)} is no IPv4 mask (write it as 255.255.0.0)`);
  }
  return { address: ipOf(word), mask: [-1, -1, -1, mask[3]] };
}

function network6(text: string): Network {
  const [address = '', length, ...more] = text.split('/');
  if (more.length > 0) throw new CommandError(`${quoted(text)} is no IPv6 address with a length`);
  const bits = length === undefined ? 128 : parseInteger(length, 0, 128);
  return { address: ipOf(address), mask: prefixMask(bits) };
}

function ipOf(text: string): IpWords {
  const words = parseIp(text);
  if (!words) throw new CommandError(`${quoted(text)} is no IP address`);
  return words;
}

/** The mask of a prefix of `bits` bits. */
function prefixMask(bits: number): IpWords {
  const word = (index: number) => {
    const ones = Math.min(Math.max(bits - index * 32, 0), 32);
    return ones === 0 ? 0 : -1 << (32 - ones);
  };
  return [word(0), word(1), word(2), word(3)];
}
