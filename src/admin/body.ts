/** The body of a request: JSON, bounded. Its time is bounded by the server (`requestTimeout`). */
import type { IncomingMessage } from 'node:http';
import { Refusal } from './refusal.js';

export const MAX_BODY_BYTES = 65_536;

/** The JSON value; throws Refusal. Only `application/json`, which no form of another site can send. */
export async function readJson(request: IncomingMessage): Promise<unknown> {
  const type = (request.headers['content-type'] ?? '').split(';')[0]?.trim().toLowerCase();
  if (type !== 'application/json') throw new Refusal(415, 'expected a body of type application/json');
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of request as AsyncIterable<Buffer>) {
    bytes += chunk.length;
    if (bytes > MAX_BODY_BYTES) throw new Refusal(413, `the body is longer than ${MAX_BODY_BYTES} bytes`);
    chunks.push(chunk);
  }
  try {
    return JSON.parse(Buffer.concat(chunks).toString('utf8'));
  } catch {
    throw new Refusal(400, 'the body is no JSON');
  }
}
