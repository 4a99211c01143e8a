/**
 * A DER OCSP response, read as far as it must be to know whether it may be stapled. Its signature is the client's business.
 *
 *   OCSPResponse   SEQUENCE { status ENUMERATED, [0] { SEQUENCE { OID, OCTET STRING { BasicResponse } } } }   RFC 6960, 4.2.1
 *   BasicResponse  SEQUENCE { SEQUENCE { [0] version?, responder [1] or [2], producedAt, SEQUENCE OF Single, ... }, ... }
 *   Single         SEQUENCE { SEQUENCE { algorithm, name hash, key hash, serial INTEGER }, status, thisUpdate, [0] { nextUpdate }?, ... }
 */

/** What a response says of one certificate. */
export interface OcspAnswer {
  /** As `X509Certificate.serialNumber` spells it. */
  readonly serial: string;
  readonly status: 'good' | 'revoked' | 'unknown';
  /** When newer information is there at the latest, Infinity if it does not say: there always is. */
  readonly expiresMs: number;
}

const SEQUENCE = 0x30;
const INTEGER = 0x02;
const OCTET_STRING = 0x04;
const ENUMERATED = 0x0a;
const GENERALIZED_TIME = 0x18;
/** [0] with something in it. */
const ZERO = 0xa0;
const STATUS: Readonly<Record<number, OcspAnswer['status']>> = {
  128: 'good',
  129: 'revoked',
  161: 'revoked',
  130: 'unknown',
};

/** What it says of each certificate; a text if it is none that could be stapled: why. */
export function readOcspResponse(der: Uint8Array): readonly OcspAnswer[] | string {
  try {
    const response = new Der(der).enter(SEQUENCE);
    if (response.take(ENUMERATED)[0] !== 0) return 'the OCSP response is an error of its sender';
    const bytes = response.enter(ZERO).enter(SEQUENCE).skip().take(OCTET_STRING);
    const data = new Der(bytes).enter(SEQUENCE).enter(SEQUENCE);
    if (data.next === ZERO) data.skip();
    data.skip().take(GENERALIZED_TIME);
    const singles = data.enter(SEQUENCE);
    const answers: OcspAnswer[] = [];
    while (singles.next !== 0) answers.push(readSingle(singles.enter(SEQUENCE)));
    return answers;
  } catch (error) {
    if (error instanceof RangeError) return 'not an OCSP response (DER is expected)';
    throw error;
  }
}

function readSingle(single: Der): OcspAnswer {
  const serial = Buffer.from(single.enter(SEQUENCE).skip().skip().skip().take(INTEGER));
  const status = STATUS[single.next] ?? 'unknown';
  single.skip().take(GENERALIZED_TIME);
  const expiresMs = single.next === ZERO ? timeOf(single.enter(ZERO).take(GENERALIZED_TIME)) : Infinity;
  // An INTEGER has a zero before a leading one bit.
  return {
    serial: serial
      .toString('hex')
      .replace(/^(00)+(?=..)/, '')
      .toUpperCase(),
    status,
    expiresMs,
  };
}

/** RFC 5280, 4.1.2.5.2: with seconds, in Greenwich's time. */
function timeOf(text: Uint8Array): number {
  const parts = /^(\d{4})(\d\d)(\d\d)(\d\d)(\d\d)(\d\d)Z$/.exec(Buffer.from(text).toString('latin1'));
  if (parts === null) throw new RangeError('a time in another form');
  const [year, month, day, hour, minute, second] = parts.slice(1).map(Number) as [
    number,
    number,
    number,
    number,
    number,
    number,
  ];
  return Date.UTC(year, month - 1, day, hour, minute, second);
}

/** Elements one after the other; a RangeError where there is another than is asked for, or less than it says. */
class Der {
  readonly #bytes: Uint8Array;
  #at = 0;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
  }

  /** The tag of the next element, 0 at the end. */
  get next(): number {
    return this.#bytes[this.#at] ?? 0;
  }

  /** The content of the next element. */
  take(tag: number): Uint8Array {
    if (this.next !== tag) throw new RangeError('another element is expected');
    return this.#content();
  }

  enter(tag: number): Der {
    return new Der(this.take(tag));
  }

  skip(): this {
    if (this.next === 0) throw new RangeError('an element is missing');
    this.#content();
    return this;
  }

  #content(): Uint8Array {
    const bytes = this.#bytes;
    let at = this.#at + 2;
    let length = bytes[this.#at + 1] ?? 0;
    if (length > 0x80 && length <= 0x84) {
      const digits = length & 0x7f;
      length = 0;
      for (let i = 0; i < digits; i++) length = length * 256 + (bytes[at + i] ?? 0);
      at += digits;
    } else if (length >= 0x80) throw new RangeError('a length in another form');
    const end = at + length;
    if (end > bytes.length) throw new RangeError('an element is cut');
    this.#at = end;
    return bytes.subarray(at, end);
  }
}
