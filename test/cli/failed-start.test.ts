/** A start that fails says one line, gives the right status and leaves nothing behind, in the foreground and without -f. */
import assert from 'node:assert/strict';
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { tcpBackend } from '../support/backend.js';
import { pen } from '../support/pen.js';
import { processesWith, run } from '../support/process.js';
import { scratch } from '../support/scratch.js';

interface Row {
  readonly when: string;
  /** The arguments; FOLDER stands for the scenario's own, BUSY for an address in use. */
  readonly args: readonly string[];
  readonly files?: Readonly<Record<string, string>>;
  readonly status: 1 | 2;
  readonly says: RegExp;
  /** Tried without -f too: the background process finds out, not the one that was started. */
  readonly isLate?: true;
}

const good = ['127.0.0.1:0', '127.0.0.1:1'];

const rows: readonly Row[] = [
  { when: 'nothing is given', args: [], status: 2, says: /^pen: nowhere to listen .*--help/ },
  { when: 'there are no servers', isLate: true, args: ['127.0.0.1:0'], status: 2, says: /^pen: no servers \(/ },
  {
    when: 'an option is unknown',
    args: ['-y', ...good],
    status: 2,
    says: /^pen: unknown option -y \(see pen --help\)/,
  },
  { when: 'a number is none', args: ['-b', 'soon', ...good], status: 2, says: /^pen: -b: .*'soon'/ },
  { when: 'a number is too big', args: ['-c', '2000000000', ...good], status: 2, says: /^pen: -c: .*'?2000000000'?/ },
  { when: 'the port is out of range', args: ['127.0.0.1:99999', '127.0.0.1:1'], status: 2, says: /^pen: .*99999/ },
  {
    when: 'the port is out of range and the server has none of its own',
    args: ['99999', '127.0.0.1'],
    status: 2,
    says: /^pen: listen address: port 99999 is out of range \(0 to 65535\)$/m,
  },
  {
    when: 'the service is unknown',
    args: ['127.0.0.1:nosuchservice', '127.0.0.1:1'],
    status: 2,
    says: /^pen: .*nosuchservice/,
  },
  {
    when: 'a server has a bad limit',
    args: ['127.0.0.1:0', '127.0.0.1:1:many'],
    status: 2,
    says: /^pen: server 0: '127\.0\.0\.1:1:many': max must be [^:]*$/,
  },
  {
    when: '-O is wrong',
    isLate: true,
    args: ['-O', 'acl 1 maybe 10.0.0.1', ...good],
    status: 2,
    says: /^pen: -O "acl 1 maybe 10\.0\.0\.1": .*maybe/,
  },
  {
    when: '-H is asked for with -U',
    args: ['-H', '-U', ...good],
    status: 2,
    says: /^pen: http is for TCP, not for UDP/,
  },
  {
    when: '-U has a Unix socket for a server',
    isLate: true,
    args: ['-U', '127.0.0.1:0', '/run/back'],
    status: 2,
    says: /^pen: a server of UDP cannot be a Unix socket/,
  },
  {
    when: '-U is to listen on a Unix socket',
    isLate: true,
    args: ['-U', '/run/front', '127.0.0.1:53'],
    status: 2,
    says: /^pen: cannot listen on a Unix socket for UDP/,
  },
  {
    when: 'a host does not resolve',
    isLate: true,
    args: ['127.0.0.1:0', 'nosuchhost.invalid:80'],
    status: 1,
    says: /^pen: .*nosuchhost\.invalid/,
  },
  {
    when: 'the port is busy',
    isLate: true,
    args: ['BUSY', '127.0.0.1:1'],
    status: 1,
    says: /^pen: .*127\.0\.0\.1:\d+.*EADDRINUSE/,
  },
  {
    when: 'the control port is busy',
    args: ['-u', 'root', '-C', 'BUSY', ...good],
    status: 1,
    says: /^pen: .*EADDRINUSE/,
  },
  {
    when: 'the configuration file is missing',
    args: ['-F', 'FOLDER/no.cfg', ...good],
    status: 1,
    says: /^pen: .*no\.cfg.*ENOENT/,
  },
  {
    when: 'the configuration file is a directory',
    args: ['-F', 'FOLDER', ...good],
    status: 1,
    says: /^pen: .*EISDIR|not a/,
  },
  {
    when: 'the configuration file has an error',
    isLate: true,
    args: ['-F', 'FOLDER/pen.cfg', ...good],
    files: { 'pen.cfg': '# fine\nblacklist 5\nblacklist soon\n' },
    status: 1,
    says: /^pen: .*pen\.cfg:3: .*'soon'/,
  },
  {
    when: 'the user is unknown',
    isLate: true,
    args: ['-u', 'nosuchuser', ...good],
    status: 1,
    says: /^pen: .*'nosuchuser'/,
  },
  {
    when: 'the pid file has no folder',
    args: ['-p', 'FOLDER/no/pid', ...good],
    status: 1,
    says: /^pen: cannot write pid file '.*no\/pid': ENOENT/,
  },
  {
    when: 'the pid file is something else',
    isLate: true,
    args: ['-p', 'FOLDER/precious', ...good],
    files: { precious: 'my poems' },
    status: 1,
    says: /^pen: cannot write pid file '.*precious': it exists and is not a pid file/,
  },
  {
    when: 'the control socket has no folder',
    args: ['-C', 'FOLDER/no/ctl', ...good],
    status: 1,
    says: /^pen: cannot listen for control on '.*no\/ctl': ENOENT \(the folder does not exist\)$/m,
  },
  {
    when: 'the control socket is a name without a slash',
    args: ['-u', 'root', '-C', 'bg.ctl', ...good],
    status: 1,
    says: /^pen: unknown service 'bg\.ctl' .*a socket path needs a slash: \.\/bg\.ctl/,
  },
  {
    when: 'another file is where it should listen',
    isLate: true,
    args: ['FOLDER/precious', '127.0.0.1:1'],
    files: { precious: 'my poems' },
    status: 1,
    says: /^pen: cannot listen on '.*precious': ENOTSOCK \(the file exists and is no socket\)$/m,
  },
  {
    when: 'the folder of the listening socket is missing',
    args: ['FOLDER/no/front', '127.0.0.1:1'],
    status: 1,
    says: /^pen: cannot listen on '.*no\/front': ENOENT \(the folder does not exist\)$/m,
  },
  {
    when: 'the source address is of another host',
    isLate: true,
    args: ['-O', 'source 192.0.2.1', ...good],
    status: 1,
    says: /^pen: .*source: cannot connect from '192\.0\.2\.1': EADDRNOTAVAIL \(no address of this machine\)$/m,
  },
  {
    when: 'the root directory is missing',
    isLate: true,
    args: ['-j', 'FOLDER/no', ...good],
    status: 1,
    says: /^pen: cannot chroot '[^']*\/no': (ENOENT|EPERM \(operation not permitted\))$/m,
  },
];

for (const mode of ['foreground', 'background'] as const) {
  describe(`pen refuses in the ${mode}`, { concurrency: 4 }, () => {
    for (const row of mode === 'foreground' ? rows : rows.filter((late) => late.isLate)) {
      test(`when ${row.when}`, async (t) => {
        const folder = scratch(t);
        const { address: busy } = await tcpBackend(t);
        for (const [name, text] of Object.entries(row.files ?? {})) writeFileSync(join(folder, name), text);
        const before = readdirSync(folder);
        // A Unix socket, a pid file: whatever pen makes lies in the folder.
        const own = row.args.includes('-p') ? [] : ['-p', join(folder, 'pid')];
        const control = row.args.includes('-C') ? [] : ['-C', join(folder, 'ctl')];
        const extra = row.args.length < 2 ? [] : [...own, ...control];
        const args = row.args.map((word) => word.replace('FOLDER', folder).replace('BUSY', busy));

        const outcome = await run('pen', [...(mode === 'foreground' ? ['-f'] : []), ...extra, ...args]);

        assert.equal(outcome.status, row.status, outcome.stderr);
        assert.match(outcome.stderr, row.says);
        assert.match(outcome.stderr, /^[^\n]*[^\n.]\n$/, 'one line, no full stop');
        assert.equal(outcome.stdout, '');
        assert.deepEqual(readdirSync(folder), before, 'files are left behind');
        for (const [name, text] of Object.entries(row.files ?? {})) {
          assert.equal(readFileSync(join(folder, name), 'utf8'), text);
        }
        assert.deepEqual(processesWith(folder), [], 'a process is left behind');
      });
    }
  });
}

test('pen refuses a pid file of a running pen, and replaces a stale one', async (t) => {
  const folder = scratch(t);
  const pidFile = join(folder, 'pid');
  const first = await pen(t, { options: ['-p', pidFile], servers: ['127.0.0.1:1'] });
  assert.equal(readFileSync(pidFile, 'utf8'), String(first.pid));

  const second = await run('pen', ['-f', '-p', pidFile, ...good]);
  assert.equal(second.status, 1);
  assert.match(second.stderr, new RegExp(`^pen: cannot write pid file .* running as process ${first.pid} `));

  first.signal('SIGKILL');
  await first.ended;
  assert.ok(existsSync(pidFile), 'killed: the file stays');
  const third = await pen(t, { options: ['-p', pidFile], servers: ['127.0.0.1:1'] });
  assert.equal(readFileSync(pidFile, 'utf8'), String(third.pid));
});

test('pen refuses to listen on a Unix socket that another pen serves, and replaces a dead one', async (t) => {
  const folder = scratch(t);
  const front = join(folder, 'front');
  const first = await pen(t, { listen: front, servers: ['127.0.0.1:1'] });

  const second = await run('pen', ['-f', front, '127.0.0.1:1']);
  assert.equal(second.status, 1);
  assert.match(second.stderr, /^pen: .*front.*EADDRINUSE/);
  assert.ok(existsSync(front));

  first.signal('SIGKILL');
  await first.ended;
  const third = await pen(t, { listen: front, servers: ['127.0.0.1:1'] });
  assert.equal(third.address, front);
  await third.stop();
  assert.ok(!existsSync(front));
});

test('pen refuses a folder in place of a pid file', async (t) => {
  const folder = scratch(t);
  mkdirSync(join(folder, 'pid'));
  const outcome = await run('pen', ['-f', '-p', join(folder, 'pid'), ...good]);
  assert.equal(outcome.status, 1);
  assert.match(outcome.stderr, /not a regular file/);
});
