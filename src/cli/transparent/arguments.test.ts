import assert from 'node:assert/strict';
import { existsSync, readFileSync } from 'node:fs';
import { test } from 'node:test';
import { parseIp } from '../../core/address.js';
import { UsageError } from '../errors.js';
import { parseSetupArguments, SETUP_USAGE } from './arguments.js';

const parse = (typed: string) => parseSetupArguments(typed.split(' ').filter(Boolean));

test('parseSetupArguments reads every option', () => {
  assert.deepEqual(parse('--apply'), {
    action: 'apply',
    table: 736,
    mark: 0x70656e,
    interceptions: [],
    from: undefined,
    clients: [],
    servers: [],
  });
  assert.deepEqual(
    parse('www1:80 --table 7 --mark 0x10 --listen 80 --listen udp:53 --from br-lan.1 --client ::1 --check www2:80'),
    {
      action: 'check',
      table: 7,
      mark: 16,
      interceptions: [
        { protocol: 'tcp', port: 80, penPort: 80 },
        { protocol: 'udp', port: 53, penPort: 53 },
      ],
      from: 'br-lan.1',
      clients: [parseIp('::1')],
      servers: ['www1:80', 'www2:80'],
    },
  );
});

test('parseSetupArguments refuses what it does not understand', () => {
  const table: ReadonlyArray<readonly [string, string]> = [
    ['', 'expected --print, --apply, --undo or --check (see --help)'],
    ['--apply --undo', 'one of --apply and --undo, not both'],
    ['--aply', 'unknown option --aply (see pen transparent-setup --help)'],
    ['--apply --table', '--table: needs a value, N (see --help)'],
    ['--apply --table 0', "--table: expected a number from 1 to 4294967295, got '0'"],
    ['--apply --table 254', "--table: 254 is the system's own"],
    ['--apply --mark 4294967296', "--mark: expected a number from 1 to 4294967295, got '4294967296'"],
    ['--apply --mark 1;reboot', "--mark: expected a number from 1 to 4294967295, got '1;reboot'"],
    ['--apply --listen 80:99999', "--listen: expected PORT[:PEN_PORT] or udp:PORT, got '80:99999'"],
    ['--apply --listen udp:53:5353', '--listen: for UDP pen must listen on 53 itself'],
    ['--apply --listen sctp:80', "--listen: expected PORT[:PEN_PORT] or udp:PORT, got 'sctp:80'"],
    ['--apply --from lan"', `--from: 'lan"' is no name of an interface`],
    ['--apply --from -j', "--from: '-j' is no name of an interface"],
    ['--check --client www1', "--client: 'www1' is no IP address"],
  ];
  for (const [typed, want] of table) {
    assert.throws(
      () => parse(typed),
      (failure: Error) => failure instanceof UsageError && failure.message === want,
      typed,
    );
  }
});

test('pen-transparent-setup.1 names every option with its value', () => {
  let root = new URL('.', import.meta.url);
  while (!existsSync(new URL('package.json', root))) root = new URL('..', root);
  const page = readFileSync(new URL('docs/man/pen-transparent-setup.1.md', root), 'utf8').replaceAll('\\|', '|');
  const options = SETUP_USAGE.split('\n').flatMap((line) => /^ {2}(--\S+(?: \S+)?)(?: {2}|$)/.exec(line)?.[1] ?? []);
  assert.ok(options.length >= 9, options.join());
  for (const option of options) assert.ok(page.includes(`\`${option}\``), `the page lacks ${option}`);
});
