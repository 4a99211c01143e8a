/** The same scenarios where OpenSSL cannot be driven by FFI and `node:tls` takes its place. */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';

test('TLS by node:tls, without FFI: every scenario of TLS passes', { timeout: 200_000 }, async () => {
  const { NODE_TEST_CONTEXT: _, ...env } = process.env;
  const preload = new URL('../support/without-ffi.js', import.meta.url).href;
  const files = ['tls.test.js', 'tls-clients.test.js'].map((name) => fileURLToPath(new URL(name, import.meta.url)));
  const child = spawn(process.execPath, ['--test', '--test-reporter=spec', ...files], {
    env: { ...env, PEN_TEST_ENGINE: 'node', NODE_OPTIONS: `--import=${preload}` },
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  let report = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    report += text;
  });
  const [status] = await once(child, 'close');
  assert.equal(status, 0, report);
  assert.match(report, /pass [12]\d\n/);
});
