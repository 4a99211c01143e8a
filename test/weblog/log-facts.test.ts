/** What a line of the log knows from elsewhere: the TLS handshake, a PROXY header, an answer of pen's own. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { hear, onEachEngine, say, visitor } from '../proxy/engines.js';
import { backend } from '../support/backend.js';
import { fixture, pem, secureVisitor, serves } from '../support/certificates.js';
import { exchange } from '../support/client.js';
import { pen } from '../support/pen.js';
import { scratch } from '../support/scratch.js';
import { until } from '../support/wait.js';

const commands = (...lines: string[]): string[] => lines.flatMap((line) => ['-O', line]);
const ask = 'GET /page HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n';

function linesOf(file: string): string[] {
  return readFileSync(file, 'latin1').split('\n').slice(0, -1);
}

onEachEngine(
  'a line tells what the client and pen have agreed on in TLS, and the name that was verified',
  async (t, engine) => {
    const file = join(scratch(t), 'log');
    const tls = [...serves('ec'), ...commands(`ssl_ca_file ${fixture('ca.crt')}`, 'ssl_verify optional')];
    const options = [...tls, '-l', file, ...commands('log_format json')];
    const balancer = await pen(t, { engine, options, servers: [await backend(t)] });
    const alice = { cert: pem('client.crt'), key: pem('client.key'), servername: 'localhost' };

    for (const format of ['json', 'clf']) {
      await balancer.ask(`log_format ${format}`);
      for (const who of [alice, {}]) {
        const lines = linesOf(file).length;
        const client = await secureVisitor(t, balancer.port, who);
        assert.match(await say(client, ask), /^HTTP\/1\.1 200 /);
        client.destroy();
        await until('its lines', () => linesOf(file).length === lines + (format === 'json' ? 2 : 1));
      }
    }

    const [request, connection, , nobody, clf, clfNobody] = linesOf(file);
    for (const line of [request, connection]) {
      const { version, cipher, server_name, client } = JSON.parse(line).tls;
      assert.equal(version, 'TLSv1.3');
      assert.match(cipher, /^TLS_/);
      assert.deepEqual([server_name, client], ['localhost', 'CN=alice,O=Example']);
    }
    assert.equal(JSON.parse(request).request, 'GET /page HTTP/1.1');
    assert.equal(JSON.parse(nobody).tls.client, undefined);
    assert.match(clf, /^127\.0\.0\.1 - alice \[.*\] "GET \/page HTTP\/1\.1" 200 /);
    assert.match(clfNobody, /^127\.0\.0\.1 - - \[/);
  },
);

onEachEngine('a client that a PROXY header names is the client of its lines', async (t, engine) => {
  const file = join(scratch(t), 'log');
  const proxied = commands('acl 1 permit 127.0.0.1', 'proxy_acl 1', 'log_format json');
  const balancer = await pen(t, { engine, options: ['-l', file, ...proxied], servers: [await backend(t)] });

  await exchange(balancer.port, `PROXY TCP6 2001:db8::7 2001:db8::1 4711 80\r\n${ask}`);

  await until('two lines', () => linesOf(file).length === 2);
  const [request, connection] = linesOf(file).map((line) => JSON.parse(line));
  assert.deepEqual([request.client, request.client_port, request.request], ['2001:db8::7', 4711, 'GET /page HTTP/1.1']);
  assert.deepEqual([connection.client, connection.client_port, connection.requests], ['2001:db8::7', 4711, 1]);
});

onEachEngine('what pen answers itself is in the log with its status, and so is who did not pass', async (t, engine) => {
  const file = join(scratch(t), 'log');
  const options = ['-H', '-l', file, ...commands('log_format json')];
  const balancer = await pen(t, { engine, options, servers: [await backend(t)] });

  const client = await visitor(t, balancer);
  assert.match(await say(client, 'GET /bad HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n'), /^HTTP\/1\.1 400 /);
  await hear(client).catch(() => '');
  client.destroy();

  await until('two lines', () => linesOf(file).length === 2);
  const [request, connection] = linesOf(file).map((line) => JSON.parse(line));
  assert.deepEqual([request.request, request.status], ['GET /bad HTTP/1.1', 400]);
  assert.deepEqual([connection.end, connection.server], ['refused', '127.0.0.1']);
});
