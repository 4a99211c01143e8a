/** penlog at work: each line of a stream becomes a datagram. A penlogd that is gone does not stop the web server. */
import type { Readable } from 'node:stream';
import type { DatagramSink } from './datagram-sink.js';
import { linesFrom } from './lines.js';
import { MAX_LINE_CHARACTERS } from './log-line.js';

export interface LineSenderOptions {
  /** Told once when lines begin to be refused. */
  warn(line: string): void;
}

/** Sends until the stream ends; closes the sink. Never rejects for what the network does. */
export async function sendLines(stream: Readable, sink: DatagramSink, { warn }: LineSenderOptions): Promise<void> {
  let isWarned = false;
  for await (const line of linesFrom(stream, MAX_LINE_CHARACTERS)) {
    const bytes = Buffer.from(`${line}\n`, 'latin1');
    const { cause } = await sink.write(bytes, bytes.length);
    if (cause !== undefined && !isWarned) {
      isWarned = true;
      warn(`lines for ${sink.name} are being lost: ${cause}`);
    }
  }
  await sink.close();
}
