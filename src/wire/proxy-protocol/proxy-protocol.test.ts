import assert from 'node:assert/strict';
import { test } from 'node:test';
import { formatIp, type IpWords, parseIp } from '../../core/address.js';
import { dice } from '../http/requests.suite.js';
import { crc32c } from './crc32c.js';
import { type Decoded, decodeProxyHeader, MAX_HEADER_BYTES } from './decode.js';
import { encodeV1, encodeV2 } from './encode.js';
import { type ProxyHeader, SIGNATURE, withoutAddresses } from './header.js';
import { authorityOf, cameOverTls, findTlv, TLV, tlsTlvs, tlvsToPassOn } from './tlv.js';

const ip = (text: string): IpWords => parseIp(text) as IpWords;
const octets = (text: string): Uint8Array => Uint8Array.from(Buffer.from(text, 'latin1'));
const pair = (source: string, destination: string, tlvs: Uint8Array = new Uint8Array(0)): ProxyHeader => ({
  ...withoutAddresses('proxy', tlvs),
  family: 'ip',
  source: ip(source),
  sourcePort: 1234,
  destination: ip(destination),
  destinationPort: 80,
});

/** Reads a header that something follows; each part of it must ask for more. */
function decode(header: Uint8Array): Decoded {
  const bytes = Uint8Array.of(...header, ...octets('GET / HTTP/1.1'));
  for (let end = 0; end < header.length; end++) assert.equal(decodeProxyHeader(bytes, end), 'more', `cut at ${end}`);
  return decodeProxyHeader(bytes, bytes.length);
}

/** `SOURCE:PORT > DESTINATION:PORT`, or what it is instead. */
function tell(decoded: Decoded): string {
  if (typeof decoded === 'string') return decoded;
  const { command, family, source, sourcePort, destination, destinationPort } = decoded.header;
  if (command === 'local' || family !== 'ip') return `${command} ${family} ${decoded.length}`;
  return `${formatIp(source)} ${sourcePort} > ${formatIp(destination)} ${destinationPort} ${decoded.length}`;
}

const v2 = (command: number, family: number, rest: Uint8Array | readonly number[]): Uint8Array =>
  Uint8Array.of(...SIGNATURE, 0x20 + command, family, rest.length >> 8, rest.length & 255, ...rest);
const four = [192, 0, 2, 1, 192, 0, 2, 2, 4, 210, 0, 80];

test('decodeProxyHeader reads both versions, in any pieces', () => {
  const cases: ReadonlyArray<readonly [Uint8Array, string]> = [
    [octets('PROXY TCP4 192.0.2.1 192.0.2.2 1234 80\r\n'), '192.0.2.1 1234 > 192.0.2.2 80 40'],
    [octets('PROXY TCP6 2001:db8::1 ::1 0 65535\r\n'), '2001:db8::1 0 > ::1 65535 36'],
    [octets('PROXY UNKNOWN\r\n'), 'proxy none 15'],
    [octets('PROXY UNKNOWN ffff::1 whatever 1\r\n'), 'proxy none 34'],
    [v2(1, 0x11, four), '192.0.2.1 1234 > 192.0.2.2 80 28'],
    [v2(1, 0x12, four), '192.0.2.1 1234 > 192.0.2.2 80 28'],
    [v2(1, 0x21, [...Array(15).fill(0), 1, 0x20, 1, ...Array(13).fill(0), 9, 0, 1, 0, 2]), '::1 1 > 2001::9 2 52'],
    [v2(1, 0x31, Array(216).fill(47)), 'proxy unix 232'],
    [v2(1, 0x00, []), 'proxy none 16'],
    [v2(0, 0x00, []), 'local none 16'],
    // A health check may say anything else: it is skipped.
    [v2(0, 0x11, [...four, 1, 2, 3, 4]), 'local none 32'],
    [v2(1, 0x11, [...four, 0x04, 0, 2, 9, 9]), '192.0.2.1 1234 > 192.0.2.2 80 33'],
  ];
  for (const [header, want] of cases) assert.equal(tell(decode(header)), want, Buffer.from(header).toString('latin1'));
});

test('decodeProxyHeader refuses everything else, as early as it can', () => {
  const wrong: Readonly<Record<string, Uint8Array>> = {
    'a request': octets('GET'),
    'a ClientHello': Uint8Array.of(22, 3, 1),
    'lower case': octets('proxy'),
    'another protocol': octets('PROXY UDP4 192.0.2.1 192.0.2.2 1234 80\r\n'),
    'the other family': octets('PROXY TCP4 ::1 ::1 1234 80\r\n'),
    'mixed families': octets('PROXY TCP6 ::1 192.0.2.1 1234 80\r\n'),
    'a leading zero': octets('PROXY TCP4 192.0.2.01 192.0.2.2 1234 80\r\n'),
    'a port with a leading zero': octets('PROXY TCP4 192.0.2.1 192.0.2.2 01234 80\r\n'),
    'a port too high': octets('PROXY TCP4 192.0.2.1 192.0.2.2 65536 80\r\n'),
    'a word too many': octets('PROXY TCP4 192.0.2.1 192.0.2.2 1 2 3\r\n'),
    'two blanks': octets('PROXY TCP4  192.0.2.1 192.0.2.2 1 2\r\n'),
    'a bare LF': octets('PROXY TCP4 192.0.2.1 192.0.2.2 1 2\n'),
    'a bare CR': octets('PROXY TCP4 192.0.2.1\r192.0.2.2 1 2\r\n'),
    'no end within 107 bytes': octets(`PROXY UNKNOWN ${'x'.repeat(100)}`),
    'a broken signature': Uint8Array.of(0x0d, 0x0a, 0x0d, 0x0b),
    'another version': Uint8Array.of(...SIGNATURE, 0x11),
    'another command': Uint8Array.of(...SIGNATURE, 0x22),
    'another family': v2(1, 0x41, four),
    'another transport': v2(1, 0x13, four),
    'too few addresses': v2(1, 0x11, four.slice(1)),
    'a header too long': Uint8Array.of(...SIGNATURE, 0x21, 0x11, MAX_HEADER_BYTES >> 8, 0),
    'a TLV too long': v2(1, 0x11, [...four, 4, 0, 3, 1, 2]),
    'half a TLV': v2(1, 0x11, [...four, 4, 0]),
    'a TLS TLV too short': v2(1, 0x11, [...four, 0x20, 0, 4, 1, 0, 0, 0]),
    'a TLV too long within that of TLS': v2(1, 0x11, [...four, 0x20, 0, 8, 1, 0, 0, 0, 0, 0x21, 0, 1]),
    'a wrong checksum': v2(1, 0x11, [...four, 3, 0, 4, 1, 2, 3, 4]),
  };
  for (const [name, bytes] of Object.entries(wrong)) {
    assert.equal(decodeProxyHeader(bytes, bytes.length), 'malformed', name);
  }
});

test('a checksum that is right is taken', () => {
  assert.equal(crc32c(octets('123456789')), 0xe3069283);
  const header = v2(1, 0x11, [...four, 3, 0, 4, 0, 0, 0, 0]);
  new DataView(header.buffer).setUint32(header.length - 4, crc32c(header));
  assert.equal(tell(decode(header)), '192.0.2.1 1234 > 192.0.2.2 80 35');
});

test('encodeV1 and encodeV2 write what decodeProxyHeader reads', () => {
  for (const [source, destination] of [
    ['192.0.2.1', '198.51.100.255'],
    ['2001:db8::1', 'fe80::1'],
  ] as const) {
    const header = pair(source, destination);
    for (const bytes of [encodeV1(header), encodeV2(header)]) {
      assert.equal(tell(decode(bytes)), `${source} 1234 > ${destination} 80 ${bytes.length}`);
    }
  }
  const mixed = decode(encodeV1(pair('192.0.2.1', '::1')));
  assert.match(tell(mixed), /^192.0.2.1 1234 > ::1 80/);
  const datagram = decode(encodeV2({ ...pair('192.0.2.1', '192.0.2.2'), isDatagram: true }));
  assert.equal(typeof datagram !== 'string' && datagram.header.isDatagram, true);
  for (const header of [withoutAddresses('proxy'), withoutAddresses('local')]) {
    assert.equal(Buffer.from(encodeV1(header)).toString(), 'PROXY UNKNOWN\r\n');
    assert.equal(tell(decode(encodeV2(header))), `${header.command} none 16`);
  }
});

test('TLVs say how the client came over TLS, and go on to the next', () => {
  const facts = {
    version: 'TLSv1.3',
    cipher: 'C',
    serverName: 'WWW.example.com',
    alpn: 'h2',
    commonName: 'Zo\u00eb',
    isVerified: true,
  };
  const tlvs = Uint8Array.of(...tlsTlvs(facts), 4, 0, 1, 0, 0x30, 0, 1, 65);
  const read = decode(encodeV2(pair('192.0.2.1', '192.0.2.2', tlvs)));
  assert.ok(typeof read !== 'string');
  assert.equal(cameOverTls(read.header.tlvs), true);
  assert.equal(authorityOf(read.header.tlvs), 'www.example.com');
  assert.equal(Buffer.from(findTlv(read.header.tlvs, TLV.alpn) ?? []).toString(), 'h2');
  // Client flags: TLS, certificate on this connection and in the session; verified.
  assert.deepEqual([...(findTlv(read.header.tlvs, TLV.ssl) ?? [])].slice(0, 5), [7, 0, 0, 0, 0]);
  assert.deepEqual([...tlvsToPassOn(read.header.tlvs)], [...tlsTlvs(facts)]);
  const resumed = tlsTlvs({ ...facts, isResumed: true });
  assert.deepEqual([...(findTlv(resumed, TLV.ssl) ?? [])].slice(0, 5), [5, 0, 0, 0, 0]);
  assert.equal(cameOverTls(new Uint8Array(0)), false);
  assert.deepEqual([...(findTlv(tlsTlvs({ version: 'TLSv1.2' }), TLV.ssl) ?? [])].slice(0, 5), [1, 0, 0, 0, 1]);
});

test('decodeProxyHeader survives 20,000 mutated headers', () => {
  const samples = [
    encodeV1(pair('192.0.2.1', '192.0.2.2')),
    encodeV2(pair('::1', '::2', tlsTlvs({ version: 'TLSv1.3' }))),
  ];
  for (let seed = 0; seed < 20_000; seed++) {
    const random = dice(seed);
    const bytes = Uint8Array.from(samples[random(2)] as Uint8Array);
    for (let count = 1 + random(3); count > 0; count--) bytes[random(bytes.length)] = random(256);
    const end = random(bytes.length + 1);
    const decoded = decodeProxyHeader(bytes, end);
    assert.ok(typeof decoded === 'string' || (decoded.length > 0 && decoded.length <= end), `seed ${seed}`);
  }
});
