import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { AclEntry } from '../core/acl.js';
import { ipEndpoint, parseIp } from '../core/address.js';
import { admitsStrangers, isLoopback } from './control-access.js';
import { Draft, emptySetup } from './draft.js';
import { parseLine } from './language.js';
import type { Service } from './service.js';

/** The entries of ACL 0 after these commands. */
async function entriesOf(lines: readonly string[]): Promise<readonly AclEntry[]> {
  const draft = new Draft(emptySetup);
  for (const line of lines) {
    const call = parseLine(`acl 0 ${line}`, 'unix')?.call;
    if (call?.kind === 'setting') await call.run({ draft, origin: 'unix', service: undefined as unknown as Service });
  }
  return draft.acls[0] ?? [];
}

const at = (text: string) => ipEndpoint(parseIp(text) ?? [0, 0, 0, 0], 8888);

const cases: ReadonlyArray<readonly [lines: readonly string[], v4: boolean, v6: boolean]> = [
  [[], true, true],
  [['permit 10.0.0.1'], false, false],
  [['deny 10.0.0.1'], true, true],
  [['permit 10.0.0.1', 'deny 0.0.0.0 0.0.0.0'], false, true],
  [['permit 0.0.0.0 0.0.0.0'], true, true],
  [['permit ::/0'], false, true],
  [['permit 10.0.0.1', 'deny 0.0.0.0 0.0.0.0', 'deny ::/0'], false, false],
  [['deny 0.0.0.0 0.0.0.0', 'permit 10.0.0.1'], false, false],
];

for (const [lines, v4, v6] of cases) {
  test(`admitsStrangers is ${v4} on IPv4 and ${v6} on IPv6 for [${lines.join(', ')}]`, async () => {
    const entries = await entriesOf(lines);
    assert.equal(admitsStrangers(entries, at('0.0.0.0')), v4);
    assert.equal(admitsStrangers(entries, at('::')), v6);
  });
}

test('isLoopback knows this machine', () => {
  assert.deepEqual(
    ['127.0.0.1', '127.255.0.1', '::1', '0.0.0.0', '::', '10.0.0.1', '128.0.0.1'].map((text) => isLoopback(at(text))),
    [true, true, true, false, false, false, false],
  );
});
