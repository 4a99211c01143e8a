import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { describe, test } from 'node:test';
import { UsageError } from './errors.js';
import { helpText } from './help.js';
import { LONG_OPTIONS, OPTIONS } from './option-table.js';
import { type Options, parseOptions, type Surroundings } from './options.js';

const user: Surroundings = { isRoot: false, platform: 'linux' };
const root: Surroundings = { isRoot: true, platform: 'linux' };
const windows: Surroundings = { isRoot: false, platform: 'win32' };

/** Arguments as typed, split at blanks; `_` stands for a blank inside one. */
function parse(typed: string, where = user): Options {
  const argv = typed.split(' ').map((word) => word.replaceAll('_', ' '));
  return parseOptions(typed === '' ? [] : argv, where);
}

/** Commands as pairs, `option: line`, to keep the table narrow. */
const says = (...pairs: string[]) => ({
  commands: pairs.map((pair) => {
    const [option, line] = pair.split(': ') as [string, string];
    return { option, line };
  }),
});

describe('parseOptions reads', () => {
  const rows: ReadonlyArray<readonly [typed: string, want: Partial<Options>, where?: Surroundings]> = [
    ['80 www1', { action: 'serve', listen: '80', servers: ['www1'], ...says(), foreground: false, allowExit: false }],
    ['80 www1 www2:8080 [::1]:80:1:2:3:4', { listen: '80', servers: ['www1', 'www2:8080', '[::1]:80:1:2:3:4'] }],
    [':::8080 www1', { listen: ':::8080' }],
    ['smtp mail1', { listen: 'smtp', servers: ['mail1'] }],
    ['localhost:http www1:http', { listen: 'localhost:http', servers: ['www1:http'] }],
    ['/run/pen/front www1:80', { listen: '/run/pen/front' }],
    ['80 /run/back', { servers: ['/run/back'] }],
    ['80', { listen: '80', servers: [] }],
    ['-f 80 www1', { foreground: true, listen: '80' }],
    ['80 www1 -f', { foreground: true, listen: '80', servers: ['www1'] }],
    ['80 -f www1 -r www2', { foreground: true, servers: ['www1', 'www2'], ...says('-r: roundrobin') }],
    ['-fr 80 www1', { foreground: true, ...says('-r: roundrobin') }],
    ['-frb30 80 www1', { ...says('-r: roundrobin', '-b: blacklist 30'), foreground: true }],
    ['-frb 30 80 www1', { ...says('-r: roundrobin', '-b: blacklist 30'), listen: '80' }],
    ['-f -- 80 www1', { listen: '80', servers: ['www1'] }],
    ['80 -- www1 /-r', { servers: ['www1', '/-r'], ...says() }],
    ['-B abuse:81 80 www1', says('-B: abuse_server abuse:81')],
    ['-C 8888 80 www1', { control: '8888' }],
    ['-C/run/ctl 80 www1', { control: '/run/ctl' }],
    ['-C /run/ctl 80 www1', { control: '/run/ctl' }, root],
    ['-C 8888 -u nobody 80 www1', { control: '8888', user: 'nobody' }, root],
    ['-C 8888 -u root 80 www1', { control: '8888', user: 'root' }, root],
    ['-F pen.cfg 80 www1', { configFile: 'pen.cfg' }],
    ['-F pen.cfg', { configFile: 'pen.cfg', listen: undefined, servers: [] }],
    ['-O mode 80 www1', says('-O "mode": mode')],
    [
      '-O acl_1_deny_10.0.0.1 -o no_hash 80 a',
      says('-O "acl 1 deny 10.0.0.1": acl 1 deny 10.0.0.1', '-o "no hash": no hash'),
    ],
    ['-b1 -O blacklist_2 -b3 80 a', says('-b: blacklist 1', '-O "blacklist 2": blacklist 2', '-b: blacklist 3')],
    ['-T 600 80 www1', says('-T: tracking 600')],
    ['-T0 80 www1', says('-T: tracking 0')],
    ['-Ur 53 ns1', says('-U: udp', '-r: roundrobin')],
    ['-Uhr 53 ns1', says('-U: udp', '-h: hash', '-r: roundrobin')],
    ['-W 80 www1', says('-W: weight')],
    ['-X 80 www1', { allowExit: true }],
    ['-b 5 80 www1', says('-b: blacklist 5')],
    ['-c 10000 80 www1', says('-c: clients_max 10000')],
    ['-c 1048576 80 www1', says('-c: clients_max 1048576')],
    ['-d 80 www1', says('-d: debug 1')],
    ['-dd -d 80 www1', says('-d: debug 1', '-d: debug 2', '-d: debug 3')],
    ['-df 80 www1', { ...says('-d: debug 1'), foreground: true }],
    ['-e spare:80 80 www1', says('-e: emergency spare:80')],
    ['-e spare 80 www1', says('-e: emergency spare')],
    ['-h 80 www1', says('-h: hash')],
    ['-hr 80 www1', says('-h: hash', '-r: roundrobin')],
    ['-j /var/jail 80 www1', { root: '/var/jail' }],
    ['-m 7 80 www1', says('-m: multi_accept 7')],
    ['-p pen.pid 80 www1', { pidFile: 'pen.pid' }],
    ['-q 128 80 www1', says('-q: listen_backlog 128')],
    ['-r 80 www1', says('-r: roundrobin')],
    ['-s 80 www1', says('-s: stubborn')],
    ['-t 10 80 www1', says('-t: timeout 10')],
    ['-u nobody 80 www1', { user: 'nobody' }],
    ['-w /tmp/status.html 80 www1', says('-w: web_stats /tmp/status.html')],
    ['-x 4000 80 www1', says('-x: conn_max 4000')],
    ['-p one -p two 80 www1', { pidFile: 'two' }],
    ['-D 80 www1', { warnings: ['-D is obsolete and does nothing: delayed forwarding is gone'], ...says() }],
    ['-N 80 www1', { warnings: ['-N is obsolete and does nothing: use -h with -r'] }],
    ['-n 80 www1', { warnings: ['-n is obsolete and does nothing: sockets never block'] }],
    ['-P 80 www1', says('-P: poll')],
    ['-Q 80 www1', { warnings: ['-Q is obsolete and does nothing: the best engine is chosen without it'] }],
    [
      '-S 16 80 www1',
      { warnings: ['-S is obsolete and does nothing: the server table grows on demand'], listen: '80' },
    ],
    ['--check -F pen.cfg', { action: 'check', configFile: 'pen.cfg' }],
    ['80 www1 --check', { action: 'check', listen: '80' }],
    ['--help', { action: 'help' }],
    ['--version', { action: 'version' }],
    ['-f --help -y', { action: 'help' }],
  ];
  for (const [typed, want, where] of rows) {
    test(`pen ${typed}`, () => {
      const options = parse(typed, where);
      const named = Object.fromEntries(Object.keys(want).map((key) => [key, options[key as keyof Options]]));
      assert.deepEqual(named, want);
      if (!want.warnings) assert.deepEqual(options.warnings, []);
    });
  }
});

describe('parseOptions refuses', () => {
  const rows: ReadonlyArray<readonly [typed: string, want: string | RegExp, where?: Surroundings]> = [
    ['', 'nowhere to listen (usage: pen [options] LISTEN SERVER..., see pen --help)'],
    ['-f', /^nowhere to listen/],
    ['-y 80 www1', 'unknown option -y (see pen --help)'],
    ['-fy 80 www1', 'unknown option -y (see pen --help)'],
    ['-é 80 www1', 'unknown option -é (see pen --help)'],
    ['--fast 80 www1', 'unknown option --fast (see pen --help)'],
    ['--check=yes 80 www1', /^unknown option --check=yes/],
    ['80 www1 -b', '-b: needs a value, SECONDS (see pen --help)'],
    ['-p', '-p: needs a value, FILE (see pen --help)'],
    ['-fC', /^-C: needs a value/],
    ['-b abc 80 www1', "-b: expected a whole number, got 'abc'"],
    ['-b -1 80 www1', /^-b: expected a whole number/],
    ['-b 1.5 80 www1', /^-b: expected a whole number/],
    ['-b 1e3 80 www1', /^-b: expected a whole number/],
    ['-b 0x10 80 www1', /^-b: expected a whole number/],
    ['-T x 80 www1', /^-T: expected a whole number/],
    ['-c x 80 www1', /^-c: expected .* got 'x'$/],
    ['-x - 80 www1', /^-x: expected/],
    ['-m +1 80 www1', /^-m: expected/],
    ['-t 3s 80 www1', /^-t: expected/],
    ['-q many 80 www1', /^-q: expected/],
    ['-C 8888 80 www1', '-C: no control port as root without -u (-u USER drops privileges, -u root insists)', root],
    [
      '-C bg.ctl 80 www1',
      '-C: no control port as root without -u (-u USER drops privileges, -u root insists; a socket path needs a slash: ./bg.ctl)',
      root,
    ],
    ['-u pen', '-u: the Windows service is not available yet', windows],
    ['-i pen', '-i: the Windows service is not available yet', windows],
    ['-i pen 80 www1', '-i: the Windows service is not available yet'],
    ['-a 80 www1', '-a: debugging dumps are not available yet'],
    ['-L tls2 443 www1', "-L: expected ssl23, ssl3, tls1, tls1.2, tls1.3, got 'tls2'"],
  ];
  for (const [typed, want, where] of rows) {
    test(`pen ${typed}`, () => {
      assert.throws(
        () => parse(typed, where),
        (failure: Error) => {
          assert.ok(failure instanceof UsageError, String(failure));
          if (typeof want === 'string') assert.equal(failure.message, want);
          else assert.match(failure.message, want);
          assert.doesNotMatch(failure.message, /\n|\.$/);
          return true;
        },
      );
    });
  }
});

test('parseOptions knows every flag of C Pen and no other', () => {
  const flags = 'ABCDEFGHKLNOPQRSTUWXZabcdefhijlmnopqrstuwx';
  assert.equal([...OPTIONS.map((row) => row.flag)].sort().join(''), [...flags].sort().join(''));
});

test('helpText names every option, none twice', () => {
  const lines = helpText().split('\n');
  for (const row of OPTIONS) {
    const found = lines.filter((line) => line.startsWith(`  -${row.flag} `));
    assert.equal(found.length, 1, `-${row.flag}: ${found}`);
    assert.ok(row.help.length > 0 && row.help.length < 80, row.flag);
  }
  for (const row of LONG_OPTIONS) assert.match(helpText(), new RegExp(`^  --${row.name} `, 'm'));
});

test('pen.1 names every option with its value', () => {
  const page = readFileSync(fromCheckout('docs/man/pen.1.md'), 'utf8').replaceAll('\\|', '|');
  for (const row of OPTIONS) {
    const head = row.value === undefined ? `-${row.flag}` : `-${row.flag} ${row.value}`;
    assert.ok(page.includes(`\`${head}\``), `pen.1.md lacks ${head}`);
  }
  for (const row of LONG_OPTIONS) assert.ok(page.includes(`\`--${row.name}\``), row.name);
});

/** A file of the checkout, wherever below it the build lies. */
function fromCheckout(path: string): URL {
  for (let folder = new URL('./', import.meta.url); folder.pathname !== '/'; folder = new URL('../', folder)) {
    try {
      readFileSync(new URL('package.json', folder));
      return new URL(path, folder);
    } catch {
      // Not here; look further up.
    }
  }
  throw new Error('no checkout around this test');
}
