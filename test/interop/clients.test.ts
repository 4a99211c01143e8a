/** nginx and HAProxy on the other end of PROXY headers and X-Forwarded-For: the address is the same at the end. */
import assert from 'node:assert/strict';
import { createHash, randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { type AddressInfo, connect } from 'node:net';
import { join } from 'node:path';
import { test } from 'node:test';
import { pem } from '../support/certificates.js';
import { atEnd, type Scene } from '../support/ending.js';
import { pen } from '../support/pen.js';
import { daemon, freePort, missing, output } from '../support/program.js';
import { scratch } from '../support/scratch.js';
import { within } from '../support/wait.js';

const skip = missing('nginx', 'haproxy', 'curl');

/** An nginx that answers with what it takes for the client; `listen` and `real` are lines of its configuration. */
async function teller(t: Scene, listen: string, real: string): Promise<string> {
  const folder = scratch(t);
  const port = await freePort();
  const configuration = join(folder, 'nginx.conf');
  writeFileSync(
    configuration,
    `${process.getuid?.() === 0 ? 'user root;' : ''} daemon off; pid ${folder}/pid; error_log ${folder}/error.log; worker_processes 1;
     events { worker_connections 512; }
     http {
       access_log off; ${real}
       client_body_temp_path ${folder}/1; proxy_temp_path ${folder}/2; fastcgi_temp_path ${folder}/3;
       uwsgi_temp_path ${folder}/4; scgi_temp_path ${folder}/5;
       server { listen 127.0.0.1:${port} ${listen}; location / { return 200 "$remote_addr $http_x_forwarded_proto $proxy_protocol_addr\\n"; } }
     }`,
  );
  await daemon(t, 'nginx', ['-c', configuration, '-e', join(folder, 'error.log')], { port });
  return `127.0.0.1:${port}`;
}

/** A dnsdist at that port with these lines of Lua. */
async function dnsdist(t: Scene, port: number, lines: readonly string[]): Promise<void> {
  const file = join(scratch(t), 'dnsdist.conf');
  const local = [`setLocal('127.0.0.1:${port}')`, "setACL({'127.0.0.0/8'})", 'setSecurityPollSuffix("")'];
  writeFileSync(file, [...local, ...lines].join('\n'));
  await daemon(t, 'dnsdist', ['--supervised', '--disable-syslog', '-C', file], { port });
}

const ask = async (port: number, from: string, ...more: string[]): Promise<string> =>
  (await output('curl', ['-sS', '--interface', from, ...more, `http://127.0.0.1:${port}/`])).trim();

for (const engine of ['uring', 'epoll', 'node']) {
  test(`${engine}: nginx takes the client from PROXY headers of both versions`, { skip }, async (t) => {
    const server = await teller(t, 'proxy_protocol', 'set_real_ip_from 127.0.0.1; real_ip_header proxy_protocol;');
    for (const version of ['v1', 'v2']) {
      const { port } = await pen(t, { engine, options: ['-O', `server 0 proxy ${version}`], servers: [server] });
      assert.equal(await ask(port, '127.0.0.77'), '127.0.0.77  127.0.0.77');
    }
  });

  test(`${engine}: nginx takes the client from X-Forwarded-For, whatever the client says itself`, {
    skip,
  }, async (t) => {
    const server = await teller(t, '', 'set_real_ip_from 127.0.0.1; real_ip_header X-Forwarded-For;');
    const { port } = await pen(t, { engine, options: ['-H'], servers: [server] });
    assert.equal(
      await ask(port, '127.0.0.78', '-H', 'X-Forwarded-For: 6.6.6.6', '-H', 'X_Forwarded_For: 6'),
      '127.0.0.78 http',
    );
  });

  test(`${engine}: HAProxy in front with send-proxy and send-proxy-v2, nginx behind`, { skip }, async (t) => {
    const server = await teller(t, 'proxy_protocol', 'set_real_ip_from 127.0.0.1; real_ip_header proxy_protocol;');
    const web = await teller(t, '', 'set_real_ip_from 127.0.0.1; real_ip_header X-Forwarded-For;');
    const options = ['-O', 'acl 1 permit 127.0.0.1', '-O', 'proxy_acl 1'];
    const passes = await pen(t, { engine, options: [...options, '-O', 'server 0 proxy v2'], servers: [server] });
    const tells = await pen(t, { engine, options: [...options, '-H'], servers: [web] });
    const ports = [await freePort(), await freePort(), await freePort()];
    const configuration = join(scratch(t), 'haproxy.cfg');
    const certificate = join(scratch(t), 'both.pem');
    writeFileSync(certificate, pem('ec.crt') + pem('ec.key'));
    writeFileSync(
      configuration,
      `defaults\n mode tcp\n timeout connect 5s\n timeout client 9s\n timeout server 9s\n
listen one\n bind 127.0.0.1:${ports[0]}\n server pen 127.0.0.1:${passes.port} send-proxy-v2\n
listen two\n bind 127.0.0.1:${ports[1]}\n server pen 127.0.0.1:${tells.port} send-proxy\n
listen three\n bind 127.0.0.1:${ports[2]} ssl crt ${certificate}\n server pen 127.0.0.1:${tells.port} send-proxy-v2-ssl-cn\n`,
    );
    await daemon(t, 'haproxy', ['-db', '-f', configuration], { port: ports[0] as number });
    assert.equal(await ask(ports[0] as number, '127.0.0.79'), '127.0.0.79  127.0.0.79');
    assert.equal(await ask(ports[1] as number, '127.0.0.80'), '127.0.0.80 http');
    // What HAProxy says of the TLS that it has terminated.
    const secure = ['-sSk', '--interface', '127.0.0.81', `https://127.0.0.1:${ports[2]}/`];
    assert.equal((await output('curl', secure)).trim(), '127.0.0.81 https');
    assert.match(await passes.ask('recent'), /^127\.0\.0\.79 connects 1 /m);
  });

  test(`${engine}: dnsdist in front and behind: every datagram says who asks`, {
    skip: missing('dnsdist', 'dig'),
  }, async (t) => {
    const behind = await freePort();
    await dnsdist(t, behind, [
      "setProxyProtocolACL({'127.0.0.0/8'})",
      "addAction(makeRule('127.0.0.77/32'), SpoofAction('192.0.2.77'))",
      "addAction(makeRule('127.0.0.78/32'), SpoofAction('192.0.2.78'))",
      "addAction(AllRule(), SpoofAction('192.0.2.1'))",
    ]);
    const options = ['-U', '-O', 'server 0 proxy v2', '-O', 'acl 1 permit 127.0.0.1', '-O', 'proxy_acl 1'];
    const balancer = await pen(t, { engine, options, servers: [`127.0.0.1:${behind}`] });
    const front = await freePort();
    await dnsdist(t, front, [`newServer({address='127.0.0.1:${balancer.port}', useProxyProtocol=true}):setUp()`]);
    for (const last of [77, 78, 79]) {
      for (const port of [balancer.port, front]) {
        const answer = await output('dig', [
          '-b',
          `127.0.0.${last}`,
          '@127.0.0.1',
          '-p',
          `${port}`,
          '+short',
          '+time=3',
          '+tries=2',
          'a.example',
        ]);
        assert.equal(answer.trim(), `192.0.2.${last === 79 ? 1 : last}`);
      }
    }
    assert.match(await balancer.ask('recent'), /^127\.0\.0\.79 connects [1-9]/m);
    assert.match(await balancer.ask('drops'), /^bad_proxy_header 0$/m);
  });

  test(`${engine}: a WebSocket passes through -H: the handshake of RFC 6455, then 1 MB of frames, there and back`, async (t) => {
    const server = createServer();
    server.on('upgrade', (request, socket) => {
      const accept = createHash('sha1')
        .update(`${request.headers['sec-websocket-key']}258EAFA5-E914-47DA-95CA-C5AB0DC85B11`)
        .digest('base64');
      socket.write(
        `HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: ${accept}\r\nX-Told: ${request.headers['x-forwarded-for']}\r\n\r\n`,
      );
      socket.on('error', () => socket.destroy()).pipe(socket);
    });
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    atEnd(t, () => server.close());
    const { port } = await pen(t, {
      engine,
      options: ['-H'],
      servers: [`127.0.0.1:${(server.address() as AddressInfo).port}`],
    });
    const client = connect(port, '127.0.0.1');
    atEnd(t, () => client.destroy());
    client.write(
      'GET /chat HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n',
    );
    const [answer] = (await within('the handshake', once(client, 'data'))) as [Buffer];
    assert.match(
      answer.toString(),
      /^HTTP\/1\.1 101 .*Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK\+xOo=.*X-Told: 127\.0\.0\.1/s,
    );
    // One binary frame of 1 MB, masked with zeroes.
    const frame = Buffer.concat([
      Buffer.from([0x82, 0xff, 0, 0, 0, 0, 0, 0x10, 0, 0, 0, 0, 0, 0]),
      randomBytes(1 << 20),
    ]);
    client.write(frame);
    const chunks: Buffer[] = [];
    let length = 0;
    const echo = new Promise<void>((resolve) => {
      client.on('data', (chunk: Buffer) => {
        chunks.push(chunk);
        length += chunk.length;
        if (length >= frame.length) resolve();
      });
    });
    await within('the echo', echo);
    assert.ok(Buffer.concat(chunks).equals(frame));
  });
}
