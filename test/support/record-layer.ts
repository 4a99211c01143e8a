/**
 * What a TLS 1.3 client sends after its handshake, made by hand (RFC 8446, 5.2 and 7.1), so that tests can send what no
 * library would: any record, any number of key updates, nothing at the end. For TLS_AES_128_GCM_SHA256.
 */
import { createCipheriv, createHmac } from 'node:crypto';
import type { Socket } from 'node:net';
import type { TLSSocket } from 'node:tls';
import { secureOver } from './certificates.js';
import type { Scene } from './ending.js';

const APPLICATION_DATA = 23;
const HANDSHAKE = 22;
const KEY_UPDATE = 24;

export class RecordLayer {
  #secret: Buffer;
  #sequence = 0n;

  /** `secret`: the client's first one of application traffic. */
  constructor(secret: Buffer) {
    this.#secret = secret;
  }

  data(content: Uint8Array): Buffer {
    return this.record(APPLICATION_DATA, content);
  }

  /** Asks for one of the other side as well; what follows is sealed with the next keys. */
  keyUpdate(): Buffer {
    const record = this.record(HANDSHAKE, Buffer.of(KEY_UPDATE, 0, 0, 1, 1));
    this.#secret = expand(this.#secret, 'traffic upd', 32);
    this.#sequence = 0n;
    return record;
  }

  record(type: number, content: Uint8Array): Buffer {
    const nonce = Buffer.alloc(12);
    nonce.writeBigUInt64BE(this.#sequence++, 4);
    const iv = expand(this.#secret, 'iv', 12);
    for (let i = 0; i < 12; i++) nonce[i] = (nonce[i] as number) ^ (iv[i] as number);
    const length = content.length + 1 + 16;
    const header = Buffer.of(APPLICATION_DATA, 3, 3, length >> 8, length & 255);
    const cipher = createCipheriv('aes-128-gcm', expand(this.#secret, 'key', 16), nonce).setAAD(header);
    return Buffer.concat([
      header,
      cipher.update(content),
      cipher.update(Buffer.of(type)),
      cipher.final(),
      cipher.getAuthTag(),
    ]);
  }
}

/** A handshake over `raw` by Node, whose client then falls silent: the rest is said by hand. */
export async function byHand(
  t: Scene,
  raw: Socket,
  options = {},
): Promise<{ records: RecordLayer; client: TLSSocket }> {
  let secret: Buffer | undefined;
  const deliver = async (chunk: Buffer): Promise<void> => void raw.write(chunk);
  const client = secureOver(t, raw, deliver, {
    minVersion: 'TLSv1.3',
    ciphers: 'TLS_AES_128_GCM_SHA256',
    ...options,
    onKeyLog: (line) => {
      const [label, , hex] = line.split(' ');
      if (label === 'CLIENT_TRAFFIC_SECRET_0') secret = Buffer.from(hex as string, 'hex');
    },
  });
  const secured = await client;
  return { records: new RecordLayer(secret as Buffer), client: secured };
}

function expand(secret: Buffer, label: string, length: number): Buffer {
  const name = Buffer.from(`tls13 ${label}`);
  const info = Buffer.concat([Buffer.of(length >> 8, length & 255, name.length), name, Buffer.of(0)]);
  return hkdfExpand(secret, info, length);
}

/** Expand alone, of one block at most (RFC 5869, 2.3). */
function hkdfExpand(secret: Buffer, info: Buffer, length: number): Buffer {
  return createHmac('sha256', secret)
    .update(Buffer.concat([info, Buffer.of(1)]))
    .digest()
    .subarray(0, length);
}
