import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type IpWords, ipEndpoint, parseIp } from '../../core/address.js';
import { diagnoseHost, diagnoseServer, type Finding, findingLine, type Probe } from './diagnosis.js';
import type { LinuxFacts } from './linux-host.js';
import { defaultSetup } from './setup.js';

const rule = { family: 4, preference: 736, mark: 1, table: 100, owner: 0 } as const;
const route = { family: 4, destination: 'default', isLocal: true, table: 100, owner: 0 } as const;
/** A host of IPv4 alone that has everything, set up by hand after the kernel's documentation. */
const whole: LinuxFacts = {
  families: [4],
  rules: [rule],
  routes: [route],
  diversion: new Map([[4, { isThere: true, marks: [1] }]]),
  forwards: new Map([[4, true]]),
  markedReversePaths: [],
  strictReversePaths: [],
};

const troubles = (facts: Partial<LinuxFacts>, obstacle = ''): string[] =>
  diagnoseHost({ ...whole, ...facts }, defaultSetup, obstacle)
    .filter(({ state }) => state !== 'good')
    .map(findingLine);

test('diagnoseHost finds nothing wrong with a whole set-up, whoever made it', () => {
  assert.deepEqual(troubles({}), []);
  const halves = ['0.0.0.0/1', '128.0.0.0/1'].map((destination) => ({ ...route, destination }));
  assert.deepEqual(troubles({ routes: halves }), []);
  // Another rule with the same mark that leads nowhere does no harm.
  assert.deepEqual(troubles({ rules: [{ ...rule, table: 5 }, rule] }), []);
  const unread = new Map([[4, { isThere: true, marks: [] }]] as const);
  assert.deepEqual(troubles({ diversion: unread }), []);
});

test('diagnoseHost names each missing piece, and what to type', () => {
  const apply = 'pen transparent-setup --apply';
  const addRule = 'ip -4 rule add pref 736 fwmark 0x1 lookup 736 protocol 112';
  const table: ReadonlyArray<readonly [string[], string]> = [
    [
      troubles({ diversion: new Map([[4, { isThere: false, marks: [] }]]) }),
      `missing: divert rule: no IPv4 firewall rule marks packets for transparent sockets (type: ${apply})`,
    ],
    [
      troubles({ diversion: undefined }),
      "unknown: divert rule: the firewall's rules cannot be seen, so whether one diverts replies cannot be told " +
        '(it takes root, and nft or iptables)',
    ],
    [
      troubles({ rules: [] }),
      `missing: routing rule: no IPv4 routing rule for mark 0x1 (type: ${addRule}, or ${apply})`,
    ],
    [
      troubles({ rules: [{ ...rule, mark: 2 }] }),
      `missing: routing rule: no IPv4 routing rule for mark 0x1 (type: ${addRule}, or ${apply})`,
    ],
    [
      troubles({ routes: [{ ...route, isLocal: false }] }),
      'missing: route: IPv4 table 100 has no local default route ' +
        `(type: ip -4 route add local default dev lo table 100 protocol 112, or ${apply})`,
    ],
    [
      troubles({ forwards: new Map([[4, false]]) }),
      'missing: forwarding: this host forwards no IPv4: servers that have it as their gateway reach nobody but pen ' +
        '(type: sysctl -w net.ipv4.ip_forward=1)',
    ],
    [
      troubles({ markedReversePaths: ['dmz'] }),
      'missing: rp_filter: src_valid_mark on dmz makes the kernel drop every packet that is marked ' +
        '(type: sysctl -w net.ipv4.conf.all.src_valid_mark=0 net.ipv4.conf.dmz.src_valid_mark=0)',
    ],
    [troubles({}, 'EPERM (why)'), 'missing: capability: EPERM (why) (type: sudo pen ... -u USER -O transparent)'],
  ];
  for (const [found, want] of table) assert.deepEqual(found, [want]);
});

test('diagnoseHost leaves out a family that no server has', () => {
  const server = ipEndpoint(parseIp('fd00::1') as IpWords, 80);
  const facts: LinuxFacts = { ...whole, families: [4, 6] };
  const found = diagnoseHost(facts, { ...defaultSetup, servers: [server] }, '');
  assert.deepEqual(
    found.map(({ piece, state }) => `${state} ${piece}`),
    ['good capability', 'unknown divert rule', 'missing routing rule', 'missing forwarding'],
  );
});

test('diagnoseServer tells why a server does not answer clients', () => {
  const probe: Probe = {
    server: ipEndpoint(parseIp('10.2.0.2') as IpWords, 80),
    client: '192.0.2.1',
    isLocal: false,
    gateway: '10.2.0.1',
    own: 'answered',
    asClient: 'silent',
    filtered: 0,
  };
  const told = (changes: Partial<Probe>, isSetUp = true, facts: Partial<LinuxFacts> = {}): string => {
    const finding: Finding = diagnoseServer({ ...probe, ...changes }, { ...whole, ...facts }, isSetUp);
    return findingLine(finding);
  };
  const v6 = { server: ipEndpoint(parseIp('fd02::2') as IpWords, 80), client: '2001:db8::1', gateway: undefined };
  const table: ReadonlyArray<readonly [string, string]> = [
    [told({ asClient: 'answered' }), 'good: return path: 10.2.0.2 port 80 answers 192.0.2.1 through this host'],
    [
      told({}),
      'missing: return path: replies of 10.2.0.2 port 80 to 192.0.2.1 do not come back through this host, which must be ' +
        'its gateway to the clients (type: on the server: ip route replace default via 10.2.0.1)',
    ],
    [
      told({}, true, { strictReversePaths: ['dmz'] }),
      'missing: return path: replies of 10.2.0.2 port 80 to 192.0.2.1 do not come back through this host, which must be ' +
        'its gateway to the clients; or the strict rp_filter of dmz ignores even its ARP ' +
        '(type: on the server: ip route replace default via 10.2.0.1)',
    ],
    [
      told(v6),
      'missing: return path: replies of fd02::2 port 80 to 2001:db8::1 do not come back through this host, which must ' +
        'be its gateway to the clients (type: on the server: ip -6 route replace default via THIS-HOST)',
    ],
    [
      told({}, false),
      'unknown: return path: 10.2.0.2 port 80 does not answer 192.0.2.1, which may be for what is missing above',
    ],
    [
      told({ filtered: 2 }, true, { strictReversePaths: ['dmz'] }),
      'missing: rp_filter: replies of 10.2.0.2 port 80 come in where the route to it does not lead, and the strict filter ' +
        'of dmz drops them (type: sysctl -w net.ipv4.conf.all.rp_filter=2 net.ipv4.conf.dmz.rp_filter=2)',
    ],
    [
      told({ own: 'silent' }),
      "unknown: server: 10.2.0.2 port 80 does not even answer this host's own address (silent), so nothing can be said " +
        'of its return path',
    ],
    [told({ asClient: 'EPERM' }), 'missing: return path: 10.2.0.2 port 80 cannot be reached from 192.0.2.1: EPERM'],
    [
      told({ isLocal: true }),
      'missing: server: 10.2.0.2 port 80 is this host itself: its replies to clients never come in, so they cannot be ' +
        'diverted (type: no transparent)',
    ],
  ];
  for (const [found, want] of table) assert.equal(found, want);
});
