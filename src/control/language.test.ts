/** The table of commands as a whole: complete, without doubles, and the same as its page in docs. */
import assert from 'node:assert/strict';
import { existsSync, readFileSync } from 'node:fs';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { startedService } from './control.suite.js';
import { commands } from './language.js';
import { referencePage } from './reference.js';

/** Every word of the C Pen manual and of COMPAT, without arguments. */
const wordsOfCPen = `abort_on_error acl ascii blacklist block client_acl clients_max close conn_max connection control
  control_acl debug delayed_forward dsr_if dummy epoll exit hash http idle_timeout idlers include keepalive kqueue listen log
  mode peek pending_max pid poll prio recent roundrobin select server servers socket source ssl_ciphers
  ssl_client_renegotiation_interval ssl_ocsp_response ssl_option ssl_sni_path status stubborn tarpit_acl tcp_fastclose
  tcp_nodelay timeout tracking transparent web_stats weight write`.split(/\s+/);

const switchesOfCPen = `abort_on_error acl ascii dummy hash http keepalive log peek prio roundrobin stubborn tcp_nodelay
  transparent web_stats weight`.split(/\s+/);

test('the language has every word of C Pen, once, and marks the others as new', () => {
  const names = commands.map((command) => command.name);
  assert.equal(new Set(names).size, names.length);
  const known = new Set([...wordsOfCPen, ...switchesOfCPen.map((word) => `no ${word}`)]);
  for (const name of known) assert(names.includes(name), `${name} is a command`);
  for (const { name, isNew } of commands) {
    if (!/^no (block|delayed_forward)$/.test(name))
      assert.equal(isNew, !known.has(name), `${name} is new to C Pen users`);
  }
});

test('help lists the commands and explains each', async (t) => {
  const { service } = await startedService(t);
  const list = await service.execute('help', 'tcp');
  assert.match(list, /^server N \[acl A\].*\n/m);
  for (const { name, help } of commands) assert((await service.execute(`help ${name}`, 'tcp')).includes(help), name);
});

test('docs/penctl-commands.md is what the table gives (npm run build && node scripts/penctl-reference.js)', () => {
  let root = new URL('.', import.meta.url);
  while (!existsSync(new URL('package.json', root))) root = new URL('..', root);
  assert.equal(readFileSync(fileURLToPath(new URL('docs/penctl-commands.md', root)), 'utf8'), referencePage());
});
