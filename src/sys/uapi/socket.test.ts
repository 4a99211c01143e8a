import assert from 'node:assert/strict';
import { test } from 'node:test';
import { SOCKET_ABIS } from './socket.js';

test('SOCKET_ABIS has the options of transparent sockets as the systems number them', () => {
  const IPPROTO_IP = 0;
  const IPPROTO_IPV6 = 41;
  const table: ReadonlyArray<readonly [keyof typeof SOCKET_ABIS, readonly number[] | undefined]> = [
    // <linux/in.h> IP_TRANSPARENT 19, <linux/in6.h> IPV6_TRANSPARENT 75.
    ['linux', [IPPROTO_IP, 19, IPPROTO_IPV6, 75]],
    // <netinet/in.h> IP_BINDANY 24, <netinet6/in6.h> IPV6_BINDANY 64.
    ['freebsd', [IPPROTO_IP, 24, IPPROTO_IPV6, 64]],
    // <sys/socket.h> SOL_SOCKET 0xffff, SO_BINDANY 0x1000.
    ['openbsd', [0xffff, 0x1000, 0xffff, 0x1000]],
    ['darwin', undefined],
  ];
  for (const [system, want] of table) {
    const { transparent } = SOCKET_ABIS[system];
    const { ip4, ip6 } = transparent ?? {};
    assert.deepEqual(ip4 && ip6 && [ip4.level, ip4.option, ip6.level, ip6.option], want, system);
  }
});
