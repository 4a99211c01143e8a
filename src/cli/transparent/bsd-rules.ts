/**
 * The rules that bring the servers' replies to pen on the BSDs. FreeBSD: ipfw(8) hands packets to a local socket with
 * `fwd`. OpenBSD: pf.conf(5) finds the socket for the replies of a connection that `divert-reply` let out; pf has one
 * rule set, its owner's, so those lines are for the owner to place.
 */
import { formatIp, type IpEndpoint } from '../../core/address.js';
import type { Interception, TransparentSetup } from './setup.js';

const PROTOCOLS = ['tcp', 'udp'] as const;

/** Arguments of `ipfw`, a rule each, all of one number. */
export function ipfwRules(setup: TransparentSetup): string[][] {
  const via = setup.from === undefined ? '' : ` recv ${setup.from}`;
  const add = (rule: string) => ['-q', 'add', String(setup.table), ...rule.split(' ')];
  const reply = ({ address, family, port }: IpEndpoint) => {
    const [home, me] = family === 4 ? ['127.0.0.1', 'me'] : ['::1', 'me6'];
    return PROTOCOLS.map((protocol) =>
      add(`fwd ${home} ${protocol} from ${formatIp(address)} ${port} to not ${me} in`),
    );
  };
  const intercept = ({ protocol, port, penPort }: Interception) => [
    add(`fwd 127.0.0.1,${penPort} ${protocol} from any to any ${port} in${via}`),
    add(`fwd ::1,${penPort} ${protocol} from any to any ${port} in${via}`),
  ];
  return [...setup.servers.flatMap(reply), ...setup.interceptions.flatMap(intercept)];
}

export function ipfwUndo(setup: TransparentSetup): string[] {
  return ['-q', 'delete', String(setup.table)];
}

/** Lines for /etc/pf.conf of OpenBSD. */
export function pfLines(setup: TransparentSetup): string[] {
  const on = setup.from === undefined ? '' : ` on ${setup.from}`;
  const family = (six: boolean) => (six ? 'inet6' : 'inet');
  const reply = ({ address, family: version, port }: IpEndpoint) =>
    PROTOCOLS.map(
      (protocol) =>
        `pass out ${family(version === 6)} proto ${protocol} to ${formatIp(address)} port ${port} divert-reply`,
    );
  const intercept = ({ protocol, port, penPort }: Interception) =>
    [false, true].map(
      (six) =>
        `pass in${on} ${family(six)} proto ${protocol} to any port ${port} divert-to ${six ? '::1' : '127.0.0.1'} port ${penPort}`,
    );
  return [...setup.servers.flatMap(reply), ...setup.interceptions.flatMap(intercept)];
}
