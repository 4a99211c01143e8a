/** Where io_uring is forbidden, as most containers do: a seccomp filter makes io_uring_setup fail with EPERM. */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { tcpBackend } from '../support/backend.js';
import { exchange } from '../support/client.js';
import { atEnd, type Scene } from '../support/ending.js';
import { until, within } from '../support/wait.js';

const launcher = fileURLToPath(new URL('../support/without-uring.js', import.meta.url));
const cannot = process.platform === 'linux' && /^(x64|arm64)$/.test(process.arch) ? false : 'needs seccomp(2)';

test('pen chooses epoll and says why when io_uring is forbidden', { skip: cannot, timeout: 30_000 }, async (t) => {
  const server = await tcpBackend(t);
  const { child, said } = confined(t, ['-f', '127.0.0.1:0', server.address]);
  const line = await until('pen serves', () => /serving on 127\.0\.0\.1:(\d+) with (.*)/.exec(said()) ?? undefined);
  assert.match(line[2], /^engine epoll \(no io_uring: forbidden here \(a container, or kernel\.io_uring_disabled\)\)/);
  assert.equal((await exchange(Number(line[1]), 'all the same')).toString(), 'all the same');
  child.kill('SIGTERM');
  assert.deepEqual(await within('end of pen', once(child, 'exit')), [0, null]);
});

test('pen refuses -O uring clearly when io_uring is forbidden', { skip: cannot, timeout: 30_000 }, async (t) => {
  const { child, said } = confined(t, ['-f', '-O', 'uring', '127.0.0.1:0', '127.0.0.1:1']);
  assert.deepEqual(await within('end of pen', once(child, 'close')), [1, null]);
  assert.match(said(), /^pen: cannot use engine "uring": forbidden here \(.*\) \(try epoll\)\n$/);
});

function confined(t: Scene, args: readonly string[]) {
  const child = spawn(process.execPath, [launcher, 'pen', ...args], { stdio: ['ignore', 'ignore', 'pipe'] });
  let said = '';
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    said += text;
  });
  atEnd(t, () => void child.kill('SIGKILL'));
  return { child, said: () => said };
}
