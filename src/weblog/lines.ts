/** The lines of a stream, each a string of Latin 1 (a character a byte) without its end, and bounded. */
import type { Readable } from 'node:stream';

/** What is beyond `max` bytes of a line is cut off, however long it goes on. The last line needs no end. */
export async function* linesFrom(stream: Readable, max: number): AsyncGenerator<string> {
  let begun = '';
  for await (const chunk of stream) {
    const text = (chunk as Buffer).toString('latin1');
    let at = 0;
    for (let end = text.indexOf('\n'); end >= 0; end = text.indexOf('\n', at)) {
      yield (begun + text.slice(at, Math.min(end, at + max))).slice(0, max);
      begun = '';
      at = end + 1;
    }
    if (begun.length < max) begun += text.slice(at, at + max - begun.length);
  }
  if (begun !== '') yield begun;
}
