/** Every command and its exact reply, on a service with real tables. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseIp } from '../core/address.js';
import { MemoryDataPlane, startedService } from './control.suite.js';

type Exchange = readonly [command: string, reply: string];

/** Each list runs on a fresh service, in order. */
const conversations: Readonly<Record<string, readonly Exchange[]>> = {
  'numbers answer with the value in force': [
    ['blacklist', '30\n'],
    ['blacklist 40', '40\n'],
    ['blacklist', '40\n'],
    ['blacklist abc', "error: blacklist: expected a number from 0 to 2147483647, got 'abc'\n"],
    ['blacklist -5', "error: blacklist: expected a number from 0 to 2147483647, got '-5'\n"],
    ['blacklist 40 50', "error: blacklist: unexpected '50' (usage: blacklist [T])\n"],
    ['blacklist', '40\n'],
    ['timeout', '3\n'],
    ['timeout 7', '7\n'],
    ['timeout 0', "error: timeout: expected a number from 1 to 2147483647, got '0'\n"],
    ['tracking', '0\n'],
    ['tracking 9', '9\n'],
    ['debug', '0\n'],
    ['debug 2', '2\n'],
    ['client_acl', '0\n'],
    ['client_acl 3', '3\n'],
    ['client_acl 10', "error: client_acl: expected a number from 0 to 9, got '10'\n"],
    ['control_acl 9', '9\n'],
    ['idle_timeout', 'Idle timeout: 0 seconds\n'],
    ['idle_timeout 5', 'Idle timeout: 5 seconds\n'],
    ['tarpit_acl', 'tarpit_acl = -1'],
    ['tarpit_acl 3', 'error: tarpit_acl: tarpit_acl is for direct server return (add dsr_if IF)\n'],
    ['tarpit_acl -1', 'tarpit_acl = -1'],
    ['tarpit_acl 20', "error: tarpit_acl: expected a number from -1 to 9, got '20'\n"],
    ['pending_max 5', ''],
    ['pending_max 0', "error: pending_max: expected a number from 1 to 2147483647, got '0'\n"],
    ['multi_accept', '100\n'],
    ['multi_accept 7', '7\n'],
    ['listen_backlog 128', '128\n'],
  ],
  'clients_max and conn_max only grow': [
    ['clients_max', '2048\n'],
    ['clients_max 10', '2048\n'],
    ['clients_max 3000', '3000\n'],
    ['conn_max', '500\n'],
    ['conn_max 10', '500\n'],
    ['conn_max 600', '600\n'],
    ['clients_max 2000000000', "error: clients_max: expected a number from 1 to 1048576, got '2000000000'\n"],
    ['conn_max 2000000000', "error: conn_max: expected a number from 1 to 1048576, got '2000000000'\n"],
    ['conn_max', '600\n'],
  ],
  'idlers shows have and wanted': [
    ['idlers', 'Idlers: 0/0\n'],
    ['idlers 2', 'Idlers: 0/2\n'],
    ['idlers 100000', 'error: idlers: 100000 is more than conn_max, 500\n'],
    ['idlers', 'Idlers: 0/2\n'],
  ],
  'switches are silent and mode shows them': [
    ['mode', 'no hash no roundrobin no stubborn no weight no prio\n'],
    ['hash', ''],
    ['roundrobin', ''],
    ['stubborn', ''],
    ['weight', ''],
    ['prio', ''],
    ['mode', 'hash roundrobin stubborn weight prio\n'],
    ['no weight', ''],
    ['mode', 'hash roundrobin stubborn no weight prio\n'],
    ['mode extra', "error: mode: unexpected 'extra' (usage: mode)\n"],
    ...['abort_on_error', 'dummy', 'keepalive', 'tcp_nodelay'].flatMap((word): Exchange[] => [
      [word, ''],
      [`no ${word}`, ''],
    ]),
    ['tcp_fastclose up', ''],
    ['tcp_fastclose', 'do_cmd: ignoring tcp_fastclose without argument\n'],
    ['tcp_fastclose sideways', "error: tcp_fastclose: expected up, down, both or off, got 'sideways'\n"],
  ],
  'the line may be written in many ways': [
    ['', ''],
    ['   ', ''],
    ['# comment', ''],
    ['blacklist # seconds', '30\n'],
    ['  blacklist  \r\n', '30\n'],
    ['\tblacklist\t31\r', '31\n'],
    ['blacklist\0', 'error: the command contains a control character\n'],
    ['BLACKLIST', "do_cmd: ignoring command starting with 'BLACKLIST'\n"],
    ['nonsense at length', "do_cmd: ignoring command starting with 'nonsense'\n"],
    ['block', "do_cmd: ignoring command starting with 'block'\n"],
    ['no delayed_forward', ''],
    ['no', 'error: no: expected what to turn off\n'],
    ['no nonsense', "error: no 'nonsense': unknown command (see penctl help)\n"],
    ['__proto__', "do_cmd: ignoring command starting with '__proto__'\n"],
  ],
  'ACL entries are checked': [
    ['acl 1 permit 10.0.0.1', ''],
    ['acl 1 deny 10.0.0.0 255.0.0.0', ''],
    ['acl 1 permit fe80::/10', ''],
    ['acl 1 permit ::1', ''],
    ['acl 1 maybe 1.2.3.4', "error: acl: expected permit or deny, got 'maybe'\n"],
    ['acl 12 permit 1.2.3.4', "error: acl: expected a number from 0 to 9, got '12'\n"],
    ['acl 1 permit garbage', "error: acl: 'garbage' is no IP address\n"],
    ['acl 1 permit', 'error: acl: expected an address\n'],
    ['acl 1 permit ::1/200', "error: acl: expected a number from 0 to 128, got '200'\n"],
    ['acl 1 permit 1.2.3.0 24', "error: acl: '24' is no IPv4 mask (write it as 255.255.0.0)\n"],
    [
      'acl 1 permit 1.2.3.0/24',
      "error: acl: '1.2.3.0/24' is no IPv4 address (write the mask as a word: 10.0.0.0 255.0.0.0)\n",
    ],
    ['acl 1 permit country SE', 'error: acl: country: not available yet\n'],
    ['acl', 'error: acl: expected a number from 0 to 9, got nothing\n'],
    ['no acl 1', ''],
    ['no acl', 'error: no acl: expected a number from 0 to 9, got nothing\n'],
  ],
  'the server table grows, changes and is emptied': [
    ['server 0 max 5 hard 7 weight 3 prio 2', ''],
    ['server 3 address 127.0.0.1 port 99', ''],
    [
      'servers',
      '0 addr 127.0.0.1 port 8001 conn 0 max 5 hard 7 weight 3 prio 2 sx 0 rx 0\n' +
        '1 addr 127.0.0.1 port 8002 conn 0 max 0 hard 0 weight 0 prio 0 sx 0 rx 0\n' +
        '2 addr 0.0.0.0 port 0 conn 0 max 0 hard 0 weight 0 prio 0 sx 0 rx 0\n' +
        '3 addr 127.0.0.1 port 99 conn 0 max 0 hard 0 weight 0 prio 0 sx 0 rx 0\n',
    ],
    ['no server 0', ''],
    ['no server 2', ''],
    ['no server 4', 'error: no server: there is no server 4\n'],
    ['server 1 address ::1', ''],
    ['server 3 port 100', ''],
    [
      'servers',
      '0 addr 0.0.0.0 port 0 conn 0 max 0 hard 0 weight 0 prio 0 sx 0 rx 0\n' +
        '1 addr ::1 port 8002 conn 0 max 0 hard 0 weight 0 prio 0 sx 0 rx 0\n' +
        '2 addr 0.0.0.0 port 0 conn 0 max 0 hard 0 weight 0 prio 0 sx 0 rx 0\n' +
        '3 addr 127.0.0.1 port 100 conn 0 max 0 hard 0 weight 0 prio 0 sx 0 rx 0\n',
    ],
    ['server', 'error: server: expected a number from 0 to 65535, got nothing\n'],
    ['server 65536', "error: server: expected a number from 0 to 65535, got '65536'\n"],
    ['server 0 acl 12', "error: server: expected a number from 0 to 9, got '12'\n"],
    [
      'server 0 max 3 foo 4',
      "error: server: expected acl, address, port, max, hard, blacklist, weight, prio, proxy, name, tls, sni or encap, got 'foo'\n",
    ],
    ['server 0 max', 'error: server: expected a number from 0 to 2147483647, got nothing\n'],
    ['server 0 port 65536', 'error: server: port 65536 is out of range (0 to 65535)\n'],
    [
      'server 0 port nonsense',
      "error: server: unknown service 'nonsense' (a port is a number or a name of /etc/services)\n",
    ],
    ['server 0 address 1.2.3.4:88', "error: server: '1.2.3.4:88' is neither an address nor a host name\n"],
    ['server 0 address 1.2.3.400', "error: server: '1.2.3.400' is neither an address nor a host name\n"],
  ],
  'a server may be a Unix socket': [
    ['server 1 address /run/www port 80', 'error: server: a Unix socket has no port\n'],
    ['server 1 address /run/www', ''],
    ['server 1 port 80', 'error: server: a Unix socket has no port\n'],
    [
      'servers',
      '0 addr 127.0.0.1 port 8001 conn 0 max 0 hard 0 weight 0 prio 0 sx 0 rx 0\n' +
        '1 addr /run/www port 0 conn 0 max 0 hard 0 weight 0 prio 0 sx 0 rx 0\n',
    ],
  ],
  'the servers beside the table': [
    ['emergency', '\n'],
    ['emergency 127.0.0.1:81', ''],
    ['emergency', '127.0.0.1:81\n'],
    ['no emergency', ''],
    ['emergency', '\n'],
    ['abuse_server [::1]:82:7', ''],
    ['abuse_server', '[::1]:82:7\n'],
    ['abuse_server /run/sink::3', ''],
    ['abuse_server', '/run/sink::3\n'],
  ],
  'connections are shown and closed': [
    ['connection 0', 'Connection 0:\nstate = 0\ndownfd = -1, upfd = -1\nclient = 0, server = 0\npend = 0\n'],
    ['connection 500', 'Connection 500 out of range\n'],
    ['connection', 'error: connection: expected a number from -2147483647 to 2147483647, got nothing\n'],
    ['close 0', 'Forcibly closing connection 0\n'],
    ['close -1', 'Connection -1 out of range\n'],
    ['close 10000', 'Connection 10000 out of range\n'],
    ['close', 'error: close: expected a number from -2147483647 to 2147483647, got nothing\n'],
    ['socket 5', 'Socket 5 belongs to connection -1\n'],
    ['recent', ''],
    ['recent abc', "error: recent: expected a number from 0 to 2147483647, got 'abc'\n"],
  ],
  "source keeps C Pen's own words": [
    ['source 127.0.0.1', ''],
    // TEST-NET-1 and documentation addresses (RFC 5737, RFC 3849) are nobody's.
    ['source 192.0.2.1', "unable to set source address to '192.0.2.1'"],
    ['source 2001:db8::1', "unable to set source address to '2001:db8::1'"],
    ['source ::1', ''],
    ['source 0.0.0.0', ''],
    ['source 300.1.1.1', "unable to set source address to '300.1.1.1'"],
    ['source', 'error: source: expected IP\n'],
  ],
  'the process answers for itself': [
    ['pid', '4711\n'],
    ['control', '\n'],
    ['exit', 'Exit is not enabled; restart with -X flag\n'],
    ['web_stats', ''],
    ['web_stats /tmp/a page.html', '/tmp/a page.html\n'],
    ['web_stats', '/tmp/a page.html\n'],
    ['no web_stats', ''],
    ['web_stats', ''],
    ['help blacklist', 'blacklist [T]\n    seconds for which a server that failed is left alone\n'],
    ['help nonsense', "error: help: unknown command 'nonsense'\n"],
  ],
  'the engine is chosen at the start': [
    ['node', ''],
    ['uring', 'error: uring: the engine in use is node (to change it restart with -O uring)\n'],
    ['epoll', 'error: epoll: the engine in use is node (to change it restart with -O epoll)\n'],
    ['select', 'error: select: the engine in use is node (to change it restart with -O select)\n'],
    ['kqueue', 'error: kqueue: this platform has none (it has uring, epoll, poll, node)\n'],
  ],
  'transparent needs an engine with sockets of its own': [
    ...['transparent', 'transparent port', 'transparent strict', 'transparent listen'].map(
      (line): Exchange => [
        line,
        'error: transparent: the engine in use is node, which cannot (to change it restart without -O node)\n',
      ],
    ),
    ['transparent maybe', "error: transparent: expected port, strict or listen, got 'maybe'\n"],
    ['no transparent', ''],
    ['no transparent port', ''],
    ['no transparent maybe', "error: no transparent: expected port, strict or listen, got 'maybe'\n"],
  ],
  'http, peek and PROXY headers': [
    ['http', ''],
    ['http trust 3', ''],
    ['http trust', 'error: http: expected a number from 0 to 9, got nothing\n'],
    ['http trust 10', "error: http: expected a number from 0 to 9, got '10'\n"],
    ['http forwarded', ''],
    ['http sideways', "error: http: expected trust or forwarded, got 'sideways'\n"],
    ['no http trust 3', "error: no http: unexpected '3' (usage: no http [trust|forwarded])\n"],
    ['no http trust', ''],
    ['no http', ''],
    ['peek', ''],
    ['no peek', ''],
    ['head_timeout', '10\n'],
    ['head_timeout 3', '3\n'],
    ['proxy_acl', '-1\n'],
    ['proxy_acl 0', '0\n'],
    ['proxy_acl 10', "error: proxy_acl: expected a number from -1 to 9, got '10'\n"],
    [
      'refusals',
      'denied 0\nno_server 0\nfull 0\nbad_request 0\nhead_too_large 0\nhead_too_slow 0\nbad_proxy_header 0\nno_proxy_header 0\npeek_too_slow 0\npeek_too_long 0\nno_tls 0\ntls_too_slow 0\n',
    ],
    ['server 0 proxy v2 name www.example.com,*.EXAMPLE.com', ''],
    ['server 0 name *', ''],
    ['server 0 proxy v3', "error: server: expected v1, v2 or off, got 'v3'\n"],
    [
      'server 0 name a..b',
      "error: server: 'a..b' is no name of a host (write www.example.com, *.example.com, or * for any)\n",
    ],
    [
      'server 0 name www.*.com',
      "error: server: 'www.*.com' is no name of a host (write www.example.com, *.example.com, or * for any)\n",
    ],
  ],
  'servers behind tunnels': [
    ['server 0 encap', 'error: server: expected ipip, gue or none, got nothing\n'],
    ['server 0 encap gre', "error: server: expected ipip, gue or none, got 'gre'\n"],
    [
      'server 0 encap ipip',
      'error: server: server 0: encap is for direct server return (-O "dsr_if IF", or leave it out)\n',
    ],
    ['server 0 encap none', ''],
    ['emergency 127.0.0.1:81 encap', 'error: emergency: expected ipip, gue or none, got nothing\n'],
    ['emergency 127.0.0.1:81 weight', "error: emergency: expected encap, got 'weight'\n"],
    [
      'emergency 127.0.0.1:81 encap gue',
      'error: emergency: emergency: encap is for direct server return (-O "dsr_if IF", or leave it out)\n',
    ],
    [
      'abuse_server 127.0.0.1:81 encap ipip',
      'error: abuse_server: abuse_server: encap is for direct server return (-O "dsr_if IF", or leave it out)\n',
    ],
    ['emergency 127.0.0.1:81 encap none', ''],
    ['emergency', '127.0.0.1:81\n'],
  ],
  'what is not built yet says so': [
    ...['ascii'].flatMap((word): Exchange[] => [
      [word, `error: ${word}: not available yet\n`],
      [`no ${word}`, ''],
    ]),
  ],
  'log and log_format': [
    ['log', ''],
    ['log /dev/null', '/dev/null\n'],
    ['log', '/dev/null\n'],
    ['log /nowhere/log', "error: log: cannot open log '/nowhere/log': ENOENT\n"],
    ['log', '/dev/null\n'],
    ['log 127.0.0.1:10000', '127.0.0.1:10000\n'],
    ['log [::1]:10000', '[::1]:10000\n'],
    ['log :10000', "error: log: ':10000' is not HOST:PORT (a file whose name has a colon needs a slash: ./:10000)\n"],
    ['log 127.0.0.1:0', "error: log: '127.0.0.1:0': port 0 is none to send to\n"],
    ['log 127.0.0.1:70000', 'error: log: port 70000 is out of range (0 to 65535)\n'],
    ['log', '[::1]:10000\n'],
    ['no log', ''],
    ['log', ''],
    ['log_format', 'pen\n'],
    ['log_format json', 'json\n'],
    ['log_format clf', 'clf\n'],
    ['log_format xml', "error: log_format: expected pen, json or clf, got 'xml'\n"],
    ['log_format', 'clf\n'],
  ],
  'TLS settings are asked for, kept and checked whole': [
    ['ssl_certificate', ''],
    ['ssl_ciphers', ''],
    ['ssl_ciphers ECDHE-RSA-AES128-GCM-SHA256:TLS_AES_128_GCM_SHA256', ''],
    ['ssl_ciphers', 'ECDHE-RSA-AES128-GCM-SHA256:TLS_AES_128_GCM_SHA256\n'],
    ['no ssl_ciphers', ''],
    ['ssl_ciphers', ''],
    ['ssl_option no_sslv3', ''],
    [
      'ssl_option tlsv9',
      'error: ssl_option: expected no_sslv2, no_sslv3, no_tlsv1, no_tlsv1.1, no_tlsv1.2, no_tlsv1.3, ' +
        "cipher_server_preference or compatible, got 'tlsv9'\n",
    ],
    ['ssl_client_renegotiation_interval', '3600\n'],
    ['ssl_ocsp_response', ''],
    ['ssl_alpn h2, http/1.1', 'h2 http/1.1\n'],
    ['ssl_alpn', 'h2 http/1.1\n'],
    ['ssl_sni_unknown', 'default\n'],
    ['ssl_verify sometimes', "error: ssl_verify: expected off, optional or required, got 'sometimes'\n"],
    ['ssl_handshake_time 0', "error: ssl_handshake_time: expected a number from 1 to 3600, got '0'\n"],
    ['ssl_certificate /nonexistent', "error: ssl_certificate: cannot read '/nonexistent': ENOENT\n"],
    ['ssl_certificate /dev/null', "error: ssl_certificate: cannot read '/dev/null': not a regular file\n"],
    ['ssl_certificate', ''],
    ['ssl_key /nonexistent', 'error: ssl_key: ssl_key needs a certificate (ssl_certificate FILE, or -E)\n'],
    ['ssl_verify required', 'error: ssl_verify: ssl_verify needs a certificate (ssl_certificate FILE, or -E)\n'],
    ['ssl_sni_path /tmp', 'error: ssl_sni_path: ssl_sni_path needs a certificate (ssl_certificate FILE, or -E)\n'],
    ['server 0 tls maybe', "error: server: expected off, on or verify, got 'maybe'\n"],
    [
      'server 0 address /run/app.sock tls verify',
      'error: server: server 0 is a Unix socket: there is no name that its certificate could be checked for (sni NAME)\n',
    ],
    ['server 0 sni a/b', "error: server: 'a/b' is no server name\n"],
    ['ssl', 'clients full 0 resumed 0 failed 0 cut 0\nservers full 0 resumed 0 failed 0 cut 0\n'],
  ],
  'files that are none are refused': [
    ['include', 'error: include: expected FILE\n'],
    ['include /nonexistent', "error: include: cannot read '/nonexistent': ENOENT\n"],
    ['include /dev/zero', "error: include: cannot read '/dev/zero': not a regular file\n"],
    ['write', 'error: write: expected FILE (pen was started without -F)\n'],
    ['write /dev/null', "error: write: cannot write '/dev/null': not a regular file\n"],
    ['write /nonexistent/file', "error: write: cannot write '/nonexistent/file': ENOENT\n"],
  ],
};

for (const [name, exchanges] of Object.entries(conversations)) {
  test(`commands: ${name}`, async (t) => {
    const { service } = await startedService(t);
    for (const [command, reply] of exchanges) {
      const before = service.setup;
      assert.equal(await service.execute(command, 'unix'), reply, `reply to ${JSON.stringify(command)}`);
      if (reply.startsWith('error:')) assert.equal(service.setup, before, `${command} changes nothing`);
    }
  });
}

test('source of another host changes nothing', async (t) => {
  const { service, plane } = await startedService(t);
  await service.execute('source 127.0.0.1', 'unix');
  const before = service.setup;
  await service.execute('source 192.0.2.1', 'unix');
  assert.equal(service.setup, before);
  assert.equal(plane.published, 1);
});

test('settings reach the data plane, and questions do not', async (t) => {
  const { service, plane } = await startedService(t);
  await service.execute('blacklist', 'unix');
  await service.execute('blacklist 30', 'unix');
  assert.equal(plane.published, 0);
  await service.execute('blacklist 31', 'unix');
  assert.equal(plane.published, 1);
  assert.equal(plane.configuration.settings.blacklistSec, 31);
});

test('an error leaves the configuration as it was when the command was half right', async (t) => {
  const { service, plane } = await startedService(t);
  const before = plane.configuration;
  await service.execute('server 0 max 9 port 81 prio x', 'unix');
  assert.equal(plane.configuration, before);
});

test('server N address 0.0.0.0 takes no traffic and keeps its port for the next address', async (t) => {
  const { service, plane } = await startedService(t);
  await service.execute('server 0 address 0.0.0.0', 'unix');
  assert.equal(plane.configuration.servers[0]?.endpoint, undefined);
  assert.match(await service.execute('servers', 'unix'), /^0 addr 0\.0\.0\.0 port 8001 /);
  await service.execute('server 0 address 127.0.0.9', 'unix');
  assert.match(await service.execute('servers', 'unix'), /^0 addr 127\.0\.0\.9 port 8001 /);
});

test('server N blacklist T blacklists from now on, and another address starts afresh', async (t) => {
  const { service, plane, clock } = await startedService(t);
  await service.execute('server 1 blacklist 5', 'unix');
  assert.equal(plane.servers.blacklistedUntil(1), clock.monotonicMs + 5000);
  await service.execute('server 1 max 3', 'unix');
  assert.equal(plane.servers.blacklistedUntil(1), clock.monotonicMs + 5000);
  await service.execute('server 1 port 8003', 'unix');
  assert.equal(plane.servers.blacklistedUntil(1), 0);
});

test('connection N and socket N show a connection in use', async (t) => {
  const { service, plane } = await startedService(t);
  plane.connections.push(MemoryDataPlane.connection(0));
  assert.equal(
    await service.execute('connection 0', 'unix'),
    'Connection 0:\nstate = 2\ndownfd = 20, upfd = 21\nclient = 4, server = 1\npend = 0\n',
  );
  assert.equal(await service.execute('socket 21', 'unix'), 'Socket 21 belongs to connection 0\n');
});

test('recent lists the clients of the last seconds, the latest first', async (t) => {
  const { service, plane, clock } = await startedService(t);
  for (const [text, agoMs] of [
    ['10.0.0.1', 400_000],
    ['10.0.0.2', 9_000],
    ['::5', 1_000],
  ] as const) {
    const slot = plane.clients.visit(parseIp(text) ?? [], clock.monotonicMs - agoMs, 0);
    plane.clients.addConnect(slot);
  }
  assert.equal(await service.execute('recent 5', 'unix'), '::5 connects 1 sx 0 rx 0\n');
  assert.equal(await service.execute('recent', 'unix'), '::5 connects 1 sx 0 rx 0\n10.0.0.2 connects 1 sx 0 rx 0\n');
});

test('listen moves, and stays where it is when the new address is busy', async (t) => {
  const { service, plane } = await startedService(t);
  const first = await service.execute('listen', 'unix');
  assert.match(first, /^127\.0\.0\.1:[1-9]\d*\n$/);
  const busy = await startedService(t);
  const taken = (await busy.service.execute('listen', 'unix')).trim();
  assert.equal(
    await service.execute(`listen ${taken}`, 'unix'),
    `error: listen: cannot listen on '${taken}': EADDRINUSE (another program listens there)\n`,
  );
  assert.equal(await service.execute('listen', 'unix'), first);
  await service.execute('listen 127.0.0.2:0', 'unix');
  assert.notEqual(await service.execute('listen', 'unix'), first);
  assert.equal(plane.listening?.kind, 'ip');
  for (const bad of ['[::1', 'nonsense:80x', '1.2.3:80', '80:', '127.0.0.1:70000']) {
    const before = service.setup;
    assert.match(await service.execute(`listen ${bad}`, 'unix'), /^error: listen: /, bad);
    assert.equal(service.setup, before);
  }
});

test('exit ends the process when it was allowed', async (t) => {
  const { service, exits } = await startedService(t, {}, { allowExit: true });
  assert.equal(await service.execute('exit', 'tcp'), '');
  await new Promise((resolve) => setImmediate(resolve));
  assert.deepEqual(exits, [0]);
});

test('files are named over the Unix socket, not over TCP', async (t) => {
  const { service } = await startedService(t);
  const lines = [
    'write',
    'write /tmp/x',
    'include /etc/passwd',
    'log /tmp/x',
    'web_stats /tmp/x',
    'listen /tmp/x',
    'server 0 address /var/run/docker.sock',
    'emergency /var/run/docker.sock',
  ];
  for (const line of lines) {
    const before = service.setup;
    const name = line.split(' ')[0];
    assert.match(await service.execute(line, 'tcp'), new RegExp(`^error: ${name}: not allowed over TCP`), line);
    assert.equal(service.setup, before);
  }
  assert.equal(await service.execute('web_stats', 'tcp'), '');
});

test('commands run one at a time, in the order in which they came', async (t) => {
  const { service } = await startedService(t);
  const replies = Promise.all([
    service.execute('server 0 address localhost', 'unix'),
    service.execute('blacklist 1', 'unix'),
    service.execute('blacklist 2', 'unix'),
    service.execute('blacklist', 'unix'),
    service.execute('servers', 'unix'),
  ]);
  const [, , , blacklist, servers] = await replies;
  assert.equal(blacklist, '2\n');
  assert.match(servers ?? '', /^0 addr 127\.0\.0\.1 /);
});
