import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { backend } from '../support/backend.js';
import { fixture, serves } from '../support/certificates.js';
import { pen } from '../support/pen.js';
import { daemon, freePort, missing, output } from '../support/program.js';
import { scratch } from '../support/scratch.js';

/** A request by openssl s_client, and all that it says about the connection. */
async function sClient(port: number, ...options: string[]): Promise<string> {
  const script = `printf 'GET / HTTP/1.0\\r\\n\\r\\n' | timeout 10 openssl s_client -connect 127.0.0.1:${port} -servername localhost -ign_eof "$@" 2>&1`;
  return output('bash', ['-c', `${script}; true`, 'bash', '-CAfile', fixture('ca.crt'), ...options]);
}

const skip = missing('openssl', 'curl', 'nginx');

test('openssl s_client: versions, suites, chain, staple, resumption, no renegotiation', { skip }, async (t) => {
  const options = [...serves('ec'), ...serves('rsa'), '-O', `ssl_ocsp_response ${fixture('ec.ocsp')}`];
  const balancer = await pen(t, { servers: [await backend(t, { name: 'www1' })], options });
  const folder = scratch(t);
  for (const version of ['-tls1_2', '-tls1_3']) {
    const ticket = join(folder, `ticket${version}`);
    const first = await sClient(balancer.port, version, '-sess_out', ticket, '-status');
    assert.match(first, /Verify return code: 0 \(ok\)/, version);
    assert.match(first, /www1/);
    assert.match(first, /OCSP Response Status: successful/);
    assert.match(first, /\nNew, TLSv1\.[23]/);
    assert.match(await sClient(balancer.port, version, '-sess_in', ticket), /\nReused, TLSv1\.[23]/, version);
  }
  assert.match(await sClient(balancer.port, '-tls1_1', '-cipher', 'DEFAULT@SECLEVEL=0'), /alert protocol version/);
  assert.match(
    await sClient(balancer.port, '-ciphersuites', 'TLS_CHACHA20_POLY1305_SHA256'),
    /TLS_CHACHA20_POLY1305_SHA256/,
  );
  assert.match(await sClient(balancer.port, '-tls1_2', '-cipher', 'ECDHE-RSA-AES256-GCM-SHA384'), /www1/);
  // Each K asks for a key update of ours as well.
  const updates = `(sleep 0.3; for i in $(seq 300); do echo K; done; sleep 0.3; printf 'GET / HTTP/1.0\\r\\n\\r\\n'; sleep 1) | timeout 10 openssl s_client -connect 127.0.0.1:${balancer.port} -tls1_3 2>&1`;
  assert.match(await output('bash', ['-c', `${updates}; true`]), /www1/);
  const renegotiation = `(sleep 0.3; echo R; sleep 1) | timeout 10 openssl s_client -connect 127.0.0.1:${balancer.port} -tls1_2 2>&1`;
  assert.match(await output('bash', ['-c', `${renegotiation}; true`]), /no renegotiation|handshake failure|closed/i);
});

test('curl asks an nginx behind TLS through pen that terminates and speaks TLS itself', { skip }, async (t) => {
  const folder = scratch(t);
  const port = await freePort();
  writeFileSync(
    join(folder, 'nginx.conf'),
    `${process.getuid?.() === 0 ? 'user root;' : ''} daemon off; pid ${folder}/pid; worker_processes 1; events {}
     http { access_log off;
       client_body_temp_path ${folder}/1; proxy_temp_path ${folder}/2; fastcgi_temp_path ${folder}/3;
       uwsgi_temp_path ${folder}/4; scgi_temp_path ${folder}/5;
       server { listen 127.0.0.1:${port} ssl; ssl_certificate ${fixture('ec.crt')}; ssl_certificate_key ${fixture('ec.key')}; ssl_protocols TLSv1.2 TLSv1.3;
         location = / { return 200 "$ssl_protocol $ssl_session_reused $ssl_server_name\\n"; }
         location = /1m { root ${folder}; } } }`,
  );
  writeFileSync(join(folder, '1m'), Buffer.alloc(1 << 20, 'pen '));
  await daemon(t, 'nginx', ['-c', join(folder, 'nginx.conf'), '-e', join(folder, 'error.log')], { port });
  const options = [
    ...serves('ec'),
    '-O',
    `ssl_server_ca ${fixture('ca.crt')}`,
    '-O',
    'server 0 tls verify sni localhost',
  ];
  const balancer = await pen(t, { servers: [`127.0.0.1:${port}`], options });
  const url = `https://localhost:${balancer.port}`;
  const curl = async (...args: string[]): Promise<string> => {
    return output('curl', ['-sS', '--cacert', fixture('ca.crt'), ...args]);
  };
  assert.equal(await curl(`${url}/`), 'TLSv1.3 . localhost\n');
  assert.equal(await curl(`${url}/`), 'TLSv1.3 r localhost\n');
  assert.equal((await curl(`${url}/1m`)).length, 1 << 20);
  assert.equal((await curl('--tls-max', '1.2', `${url}/1m`, `${url}/1m`)).length, 2 << 20);
});
