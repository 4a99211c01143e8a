/** The text of every rule, for every system: nothing here needs the system. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type IpEndpoint, type IpWords, ipEndpoint, parseIp } from '../../core/address.js';
import { ipfwRules, ipfwUndo, pfLines } from './bsd-rules.js';
import { inverse, iptablesText, iptablesUndoText, nftText, routeWords, ruleWords } from './linux-rules.js';
import { type Means, setupScript } from './script.js';
import { defaultSetup, type TransparentSetup } from './setup.js';

const server = (text: string, port: number): IpEndpoint => ipEndpoint(parseIp(text) as IpWords, port);

const setups = {
  plain: defaultSetup,
  full: {
    table: 5,
    mark: 119,
    interceptions: [
      { protocol: 'tcp', port: 80, penPort: 8080 },
      { protocol: 'udp', port: 53, penPort: 53 },
    ],
    from: 'lan',
    servers: [server('10.72.0.21', 80), server('fd72::21', 443)],
  },
} as const satisfies Record<string, TransparentSetup>;

test('nftText is one transaction that replaces the table', () => {
  assert.equal(
    nftText(setups.plain),
    `table inet pen_transparent
delete table inet pen_transparent
table inet pen_transparent {
	chain divert {
		type filter hook prerouting priority mangle; policy accept;
		socket wildcard 0 socket transparent 1 meta mark set 0x70656e accept
	}
}
`,
  );
  assert.equal(
    nftText(setups.full).split('\n').slice(5, -3).join('\n'),
    `		socket wildcard 0 socket transparent 1 meta mark set 0x77 accept
		iifname "lan" tcp dport 80 tproxy to :8080 meta mark set 0x77 accept
		iifname "lan" udp dport 53 tproxy to :53 meta mark set 0x77 accept`,
  );
});

test('iptablesText fills a chain of its own, and hooks it once', () => {
  assert.equal(
    iptablesText(setups.full, false),
    `*mangle
:PEN_TRANSPARENT - [0:0]
-A PEN_TRANSPARENT -m socket --transparent -j MARK --set-mark 0x77
-A PEN_TRANSPARENT -m mark --mark 0x77 -j ACCEPT
-A PEN_TRANSPARENT -i lan -p tcp -m tcp --dport 80 -j TPROXY --on-port 8080 --tproxy-mark 0x77
-A PEN_TRANSPARENT -i lan -p udp -m udp --dport 53 -j TPROXY --on-port 53 --tproxy-mark 0x77
-I PREROUTING -j PEN_TRANSPARENT
COMMIT
`,
  );
  assert.equal(
    iptablesText(setups.plain, true),
    `*mangle
:PEN_TRANSPARENT - [0:0]
-A PEN_TRANSPARENT -m socket --transparent -j MARK --set-mark 0x70656e
-A PEN_TRANSPARENT -m mark --mark 0x70656e -j ACCEPT
COMMIT
`,
  );
  const removed = '-F PEN_TRANSPARENT\n-X PEN_TRANSPARENT\nCOMMIT\n';
  assert.equal(iptablesUndoText(true), `*mangle\n-D PREROUTING -j PEN_TRANSPARENT\n${removed}`);
  assert.equal(iptablesUndoText(false), `*mangle\n${removed}`);
});

test('ruleWords and routeWords name their owner, and their inverse takes the same thing away', () => {
  const rule = ruleWords(setups.full, 6);
  assert.equal(rule.join(' '), '-6 rule add pref 736 fwmark 0x77 lookup 5 protocol 112');
  assert.equal(inverse(rule).join(' '), '-6 rule del pref 736 fwmark 0x77 lookup 5 protocol 112');
  const route = routeWords(setups.plain, 4);
  assert.equal(route.join(' '), '-4 route add local default dev lo table 736 protocol 112');
  assert.equal(inverse(route).join(' '), '-4 route del local default dev lo table 736 protocol 112');
});

test('ipfwRules forward the replies of each server, of one number', () => {
  assert.deepEqual(
    ipfwRules(setups.full).map((words) => words.join(' ')),
    [
      '-q add 5 fwd 127.0.0.1 tcp from 10.72.0.21 80 to not me in',
      '-q add 5 fwd 127.0.0.1 udp from 10.72.0.21 80 to not me in',
      '-q add 5 fwd ::1 tcp from fd72::21 443 to not me6 in',
      '-q add 5 fwd ::1 udp from fd72::21 443 to not me6 in',
      '-q add 5 fwd 127.0.0.1,8080 tcp from any to any 80 in recv lan',
      '-q add 5 fwd ::1,8080 tcp from any to any 80 in recv lan',
      '-q add 5 fwd 127.0.0.1,53 udp from any to any 53 in recv lan',
      '-q add 5 fwd ::1,53 udp from any to any 53 in recv lan',
    ],
  );
  assert.equal(ipfwUndo(setups.full).join(' '), '-q delete 5');
});

test('pfLines let replies find their sockets', () => {
  assert.deepEqual(pfLines(setups.full), [
    'pass out inet proto tcp to 10.72.0.21 port 80 divert-reply',
    'pass out inet proto udp to 10.72.0.21 port 80 divert-reply',
    'pass out inet6 proto tcp to fd72::21 port 443 divert-reply',
    'pass out inet6 proto udp to fd72::21 port 443 divert-reply',
    'pass in on lan inet proto tcp to any port 80 divert-to 127.0.0.1 port 8080',
    'pass in on lan inet6 proto tcp to any port 80 divert-to ::1 port 8080',
    'pass in on lan inet proto udp to any port 53 divert-to 127.0.0.1 port 53',
    'pass in on lan inet6 proto udp to any port 53 divert-to ::1 port 53',
  ]);
});

test('setupScript is for a shell', () => {
  const scripts: ReadonlyArray<readonly [Means, RegExp]> = [
    ['nft', /^nft -f - <<'END'\ntable inet [\s\S]*\n}\nEND\nip -4 route add [^\n]*\nip -4 rule add [^\n]*\n$/],
    [
      'iptables',
      /^iptables-restore --noflush <<'END'\n\*mangle\n[\s\S]*COMMIT\nEND\nip -4 route [^\n]*\nip -4 rule [^\n]*\n$/,
    ],
    ['ipfw', /^ipfw -q add 5 fwd [^\n]*\n(ipfw -q add 5 fwd [^\n]*\n){7}$/],
    ['pf', /^# For \/etc\/pf\.conf; [^\n]*\n(pass [^\n]*\n){8}$/],
  ];
  for (const [means, want] of scripts) assert.match(setupScript(setups.full, means, [4]), want, means);
  assert.match(setupScript(setups.full, 'iptables', [4, 6]), /\nip6tables-restore --noflush <<'END'\n/);
});
