import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseIptables, parseNft, parseReversePathDrops, parseRoutes, parseRules } from './facts.js';

test('parseRules takes the rules with a mark', () => {
  const json = `[{"priority":0,"src":"all","table":"255"},
    {"priority":736,"src":"all","fwmark":"0x70656e","table":"736","protocol":"112"},
    {"priority":32000,"src":"10.0.0.0","srclen":8,"fwmark":"0x1","fwmask":"0xff","table":"100"}]`;
  assert.deepEqual(parseRules(json, 4), [
    { family: 4, preference: 736, mark: 0x70656e, table: 736, owner: 112 },
    { family: 4, preference: 32_000, mark: 1, table: 100, owner: 0 },
  ]);
});

test('parseRoutes tells local routes, and takes nothing for nothing', () => {
  const json = `[{"type":"2","dst":"default","dev":"lo","protocol":"112","scope":"254","flags":[]},
    {"dst":"10.0.0.0/8","gateway":"10.1.0.1","dev":"eth0","table":"7","flags":[]}]`;
  assert.deepEqual(parseRoutes(json, 4, 736), [
    { family: 4, destination: 'default', isLocal: true, table: 736, owner: 112 },
    { family: 4, destination: '10.0.0.0/8', isLocal: false, table: 7, owner: 0 },
  ]);
  // What ip prints of a table that is not there.
  assert.deepEqual(parseRoutes('[', 6, 736), []);
  assert.deepEqual(parseRoutes('', 6, 736), []);
});

const rule = (family: string, ...expressions: string[]) =>
  `{"rule": {"family": "${family}", "table": "t", "chain": "c", "handle": 2, "expr": [${expressions.join(', ')}]}}`;
const transparent = '{"match": {"op": "==", "left": {"socket": {"key": "transparent"}}, "right": 1}}';
const marking = (value: string) => `{"mangle": {"key": {"meta": {"key": "mark"}}, "value": ${value}}}`;
const ruleset = (...rules: string[]) => `{"nftables": [{"metainfo": {"version": "1.0.6"}}, ${rules.join(', ')}]}`;

test('parseNft finds the rules for transparent sockets of a family, and their marks', () => {
  const table: ReadonlyArray<readonly [string, string, boolean, readonly number[]]> = [
    ['one for both', ruleset(rule('inet', transparent, marking('7365998'), '{"accept": null}')), true, [7365998]],
    ['one of the family', ruleset(rule('ip', transparent, marking('1'))), true, [1]],
    ['one of the other', ruleset(rule('ip6', transparent, marking('1'))), false, []],
    ['a bridge', ruleset(rule('bridge', transparent, marking('1'))), false, []],
    ['another mark', ruleset(rule('inet', marking('5'))), false, []],
    ['a jump', ruleset(rule('inet', transparent, '{"jump": {"target": "divert"}}')), true, []],
    ['a computed mark', ruleset(rule('inet', transparent, marking('{"|": [{"meta": {"key": "mark"}}, 1]}'))), true, []],
    ['two', ruleset(rule('inet', transparent, marking('1')), rule('ip', transparent, marking('2'))), true, [1, 2]],
    ['none', '{"nftables": [{"metainfo": {"version": "1.0.6"}}]}', false, []],
    ['no rules in a chain', ruleset('{"chain": {"family": "inet", "table": "t", "name": "c"}}'), false, []],
  ];
  for (const [name, json, isThere, marks] of table) assert.deepEqual(parseNft(json, 4), { isThere, marks }, name);
});

test('parseIptables finds marks, and our own chain', () => {
  const ours = `*mangle
:PREROUTING ACCEPT [0:0]
:PEN_TRANSPARENT - [0:0]
-A PREROUTING -j PEN_TRANSPARENT
-A PEN_TRANSPARENT -m socket --transparent -j MARK --set-xmark 0x70656e/0xffffffff
-A PEN_TRANSPARENT -m mark --mark 0x70656e -j ACCEPT
COMMIT
`;
  const own = ours.split('\n').filter((line) => line.startsWith('-A PEN_TRANSPARENT '));
  assert.deepEqual(parseIptables(ours), { isThere: true, marks: [0x70656e], isOurs: true, isHooked: true, own });
  // As the kernel's own documentation has it.
  const common = `*mangle
:DIVERT - [0:0]
-A PREROUTING -p tcp -m socket -j DIVERT
-A DIVERT -j MARK --set-xmark 0x1/0xffffffff
-A DIVERT -j ACCEPT
COMMIT
`;
  assert.deepEqual(parseIptables(common), { isThere: true, marks: [1], isOurs: false, isHooked: false, own: [] });
  const nothing = { isThere: false, marks: [], isOurs: false, isHooked: false, own: [] };
  assert.deepEqual(parseIptables('*mangle\n-A PREROUTING -p tcp -j MARK --set-xmark 0x1/0x1\nCOMMIT\n'), nothing);
  assert.deepEqual(parseIptables(''), nothing);
});

test('parseReversePathDrops reads the counter by its name', () => {
  const netstat = 'TcpExt: SyncookiesSent IPReversePathFilter TCPTimeouts\nTcpExt: 1 42 3\nIpExt: InOctets\nIpExt: 9\n';
  assert.equal(parseReversePathDrops(netstat), 42);
  assert.equal(parseReversePathDrops('IpExt: InOctets\nIpExt: 9\n'), 0);
});
