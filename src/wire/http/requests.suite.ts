/**
 * What the tests of HTTP heads share: streams of requests, seeded, chopped and mutated; how our parts read a stream;
 * how Node's own parser does. The two must agree on where each request ends and what its fields are, as far as ours
 * goes on.
 */
import { createServer, type IncomingMessage, METHODS as NODE_METHODS, type ServerResponse } from 'node:http';
import { Duplex } from 'node:stream';
import { latin1 } from '../text.js';
import { Body } from './body.js';
import { HeadScanner, KIND } from './head-scanner.js';

export interface ReadRequest {
  readonly method: string;
  readonly target: string;
  /** Name, value, name, value ... */
  readonly fields: readonly string[];
}

export interface Reading {
  readonly requests: readonly ReadRequest[];
  /** Not all of it was understood. */
  readonly isRefused: boolean;
}

/** Random whole numbers below `n` that follow from a seed (xorshift32). */
export function dice(seed: number): (n: number) => number {
  let state = Math.imul(seed + 1, 0x9e3779b1) | 1;
  return (n) => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return (state >>> 0) % n;
  };
}

const KNOWN_METHODS = new Set(NODE_METHODS);
const METHODS = ['GET', 'GET', 'HEAD', 'POST', 'PUT', 'DELETE', 'OPTIONS', 'PATCH', 'PROPFIND'];
const TARGETS = [
  '/',
  '/index.html',
  '/a/b?c=d&e=%20',
  '/*',
  '*',
  'http://www.example.com/x',
  '/~user/;v=1',
  '//x/../y',
];
const FIELDS = [
  'Accept: */*',
  'Connection: keep-alive',
  'Connection: close',
  'Connection:',
  'Content-Length: 0',
  'Content-Length:  5 ',
  'Content-Length: +5',
  'Content-Length: 5, 5',
  'Content-Type: text/plain; charset=utf-8',
  'Cookie: a=b; c="d e"',
  'Expect: 100-continue',
  'Forwarded: for=192.0.2.1',
  'Transfer-Encoding: chunked',
  'Transfer-Encoding: gzip, chunked',
  'Transfer-Encoding : chunked',
  'Transfer-Encoding: identity',
  'TE: trailers',
  'Upgrade: websocket',
  'User-Agent: Mozilla/5.0 (X11; Linux) \u00e4\u00f6',
  'X-Empty:',
  'X-Forwarded-For: 198.51.100.7, 10.0.0.1',
  'x-forwarded-proto:https',
  'X_Forwarded_For: 203.0.113.9',
  'X-Tab:\ta\tb\t',
];
const WORDS = [
  '\r',
  '\n',
  '\r\n',
  ' ',
  '\t',
  '\0',
  ':',
  'chunked',
  'Content-Length: 7\r\n',
  '0\r\n\r\n',
  'HTTP/1.1',
  '\x80',
  ',',
  ';',
];

/** A stream of up to four requests; one in two has been mutated somewhere. */
export function randomStream(random: (n: number) => number): Buffer {
  let text = '';
  for (let count = 1 + random(4); count > 0; count--) text += randomRequest(random);
  // Whoever ends a request elsewhere reads this one otherwise.
  const bytes = Buffer.from(`${text}GET /last HTTP/1.1\r\nHost: last\r\n\r\n`, 'latin1');
  return random(2) === 0 ? bytes : mutated(bytes, random);
}

function randomRequest(random: (n: number) => number): string {
  const pick = <T>(list: readonly T[]): T => list[random(list.length)] as T;
  const lines = [`${pick(METHODS)} ${pick(TARGETS)} HTTP/1.${random(8) === 0 ? 0 : 1}`, 'Host: www.example.com'];
  for (let count = random(5); count > 0; count--)
    lines.push(random(6) === 0 ? pick(FIELDS) : `X-${random(99)}: v${random(9)}`);
  let body = '';
  const kind = random(4);
  if (kind === 0) {
    body = 'x'.repeat(random(40));
    lines.push(`Content-Length: ${body.length}`);
  } else if (kind === 1) {
    lines.push('Transfer-Encoding: chunked');
    for (let count = random(4); count > 0; count--) {
      const length = 1 + random(30);
      const extension = random(4) === 0 ? pick([';a', ';a=b', ';a="b\\" c"', ';a;b=c', '; a']) : '';
      body += `${length.toString(16)}${extension}\r\n${'y'.repeat(length)}\r\n`;
    }
    body += `0\r\n${random(4) === 0 ? 'X-Trailer: t\r\n' : ''}\r\n`;
  }
  return `${random(10) === 0 ? '\r\n' : ''}${lines.join('\r\n')}\r\n\r\n${body}`;
}

function mutated(bytes: Buffer, random: (n: number) => number): Buffer {
  let result = bytes;
  for (let count = 1 + random(3); count > 0; count--) {
    const at = random(result.length + 1);
    const kind = random(4);
    const before = result.subarray(0, at);
    if (kind === 0) result = Buffer.concat([before, result.subarray(at + 1 + random(3))]);
    else if (kind === 1)
      result = Buffer.concat([
        before,
        Buffer.from(WORDS[random(WORDS.length)] as string, 'latin1'),
        result.subarray(at),
      ]);
    else if (kind === 2) result = Buffer.concat([before, Buffer.from([random(256)]), result.subarray(at + 1)]);
    else result = Buffer.concat([before, result.subarray(random(result.length))]);
  }
  return result;
}

/** How our parts read a stream that comes in pieces of random length. */
export function readByUs(stream: Buffer, random: (n: number) => number): Reading {
  const scanner = new HeadScanner(KIND.request);
  const body = new Body();
  const requests: ReadRequest[] = [];
  let headStart = 0;
  let isInBody = false;
  let request: ReadRequest | undefined;
  for (let from = 0, to = 0; from < stream.length; from = to) {
    to = Math.min(stream.length, from + 1 + random(random(3) === 0 ? 3 : 200));
    for (let at = from; at < to; ) {
      if (isInBody) {
        at = body.advance(stream, at, to);
        if (body.isWrong) return { requests, isRefused: true };
        if (!body.isDone) break;
        requests.push(request as ReadRequest);
        isInBody = false;
      } else {
        if (scanner.length === 0) headStart = at;
        at = scanner.scan(stream, at, to);
        if (scanner.isWrong) return { requests, isRefused: true };
        if (!scanner.isDone) break;
        request = split(stream, headStart + scanner.skipped, at);
        if (scanner.isChunked) body.beginChunked();
        else if (scanner.contentLength > 0) body.beginLength(scanner.contentLength);
        else body.beginNone();
        scanner.reset();
        if (body.isDone) requests.push(request);
        else isInBody = true;
      }
    }
  }
  return { requests, isRefused: false };
}

function split(stream: Buffer, start: number, end: number): ReadRequest {
  const [first = '', ...lines] = latin1(stream, start, end - 4).split('\r\n');
  const [method = '', target = ''] = first.split(' ');
  const fields = lines.flatMap((line) => {
    const colon = line.indexOf(':');
    return [line.slice(0, colon), line.slice(colon + 1).replace(/^[ \t]+|[ \t]+$/g, '')];
  });
  return { method, target, fields };
}

/** How Node reads it. After request `hangsUpAfter` it hears no more: `Connection: close`, HTTP/1.0, CONNECT. */
export async function readByNode(stream: Buffer): Promise<Reading & { readonly hangsUpAfter: number }> {
  const seen: IncomingMessage[] = [];
  let isRefused = false;
  let hangsUpAfter = Number.POSITIVE_INFINITY;
  const take = (request: IncomingMessage, response?: ServerResponse): void => {
    if (!response?.shouldKeepAlive) hangsUpAfter = Math.min(hangsUpAfter, seen.length);
    seen.push(request);
    request.resume();
    response?.end();
  };
  const server = createServer({ requireHostHeader: false, keepAliveTimeout: 0 }, take);
  server.on('checkContinue', take);
  server.on('checkExpectation', take);
  server.on('connect', (request) => take(request));
  server.on('clientError', () => {
    isRefused = true;
  });
  const duplex = new Duplex({ read() {}, write: (_chunk, _encoding, done) => done() });
  server.emit('connection', duplex);
  duplex.push(stream);
  await new Promise((resolve) => setImmediate(resolve));
  const requests = seen
    .filter(({ complete, method }) => complete || method === 'CONNECT')
    .map(({ method = '', url = '', rawHeaders }) => ({ method, target: url, fields: rawHeaders }));
  duplex.destroy();
  return { requests, isRefused, hangsUpAfter };
}

/** What the two readings of a stream disagree about; undefined if nothing. */
export async function disagreement(seed: number): Promise<string | undefined> {
  const random = dice(seed);
  const stream = randomStream(random);
  const ours = readByUs(stream, random);
  const theirs = await readByNode(stream);
  const tell = (what: string): string =>
    `seed ${seed}: ${what}\n${JSON.stringify(stream.toString('latin1'))}\nours ${JSON.stringify(ours)}\nnode ${JSON.stringify(theirs)}`;
  for (const [i, request] of ours.requests.entries()) {
    // Node has a list of methods; to us any token is one.
    if (i > theirs.hangsUpAfter || !KNOWN_METHODS.has(request.method)) return undefined;
    if (JSON.stringify(request) !== JSON.stringify(theirs.requests[i])) return tell(`request ${i} is another`);
  }
  if (!ours.isRefused && theirs.requests.length > ours.requests.length) return tell('node reads more requests');
  return undefined;
}
