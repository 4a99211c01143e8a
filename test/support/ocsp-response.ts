/** OCSP responses as an authority would write them, without a signature that would hold. */

export interface Said {
  /** Hexadecimal, as `X509Certificate.serialNumber`. */
  readonly serial: string;
  readonly status?: 'good' | 'revoked' | 'unknown';
  readonly nextUpdate?: Date | undefined;
  /** Put behind the signature: the responder's own certificates. */
  readonly behind?: Uint8Array;
}

/** A DER OCSPResponse (RFC 6960, 4.2.1) about one certificate. */
export function ocspResponse({ serial, status = 'good', nextUpdate, behind }: Said): Buffer {
  const long = Buffer.from(serial, 'hex');
  const number = (long[0] as number) >= 0x80 ? Buffer.concat([Buffer.of(0), long]) : long;
  const now = time(new Date());
  const states = { good: der(0x80), revoked: der(0xa1, now), unknown: der(0x82) };
  const single = der(
    0x30,
    der(
      0x30,
      der(0x30, der(0x06, Buffer.of(43, 14, 3, 2, 26))),
      der(4, Buffer.alloc(20)),
      der(4, Buffer.alloc(20)),
      der(2, number),
    ),
    states[status],
    now,
    ...(nextUpdate === undefined ? [] : [der(0xa0, time(nextUpdate))]),
  );
  const data = der(0x30, der(0xa2, der(4, Buffer.alloc(20))), now, der(0x30, single));
  const basic = der(0x30, data, der(0x30), der(3, Buffer.alloc(65)), ...(behind ? [der(0xa0, der(0x30, behind))] : []));
  const oid = der(0x06, Buffer.of(43, 6, 1, 5, 5, 7, 48, 1, 1));
  return der(0x30, der(0x0a, Buffer.of(0)), der(0xa0, der(0x30, oid, der(4, basic))));
}

function time(date: Date): Buffer {
  return der(0x18, Buffer.from(`${date.toISOString().replace(/\.\d+|[-:T]/g, '')}`));
}

function der(tag: number, ...parts: readonly Uint8Array[]): Buffer {
  const content = Buffer.concat(parts);
  const { length } = content;
  const size = length < 0x80 ? [length] : length < 0x100 ? [0x81, length] : [0x82, length >> 8, length & 255];
  return Buffer.concat([Buffer.of(tag, ...size), content]);
}
