/**
 * Capture files as tcpdump writes and Wireshark reads them (draft-ietf-opsawg-pcap): a header of 24 bytes, then each
 * frame behind one of 16. Read in either byte order, with micro- or nanoseconds; written little-endian, microseconds.
 */
export interface Captured {
  /** Since 1970; fractions as fine as the file has them. */
  readonly seconds: number;
  readonly frame: Uint8Array;
}

const MICROSECONDS = 0xa1b2c3d4;
const NANOSECONDS = 0xa1b23c4d;
const FILE_BYTES = 24;
const RECORD_BYTES = 16;
const ETHERNET = 1;
const SNAPSHOT_BYTES = 262_144;

/** The frames of a file. Throws an Error that says what is wrong with it, and where. */
export function readPcap(file: Uint8Array): Captured[] {
  const view = new DataView(file.buffer, file.byteOffset, file.byteLength);
  if (file.length < FILE_BYTES) throw new Error(`not a pcap file: ${file.length} bytes are no header`);
  const isLittle = [MICROSECONDS, NANOSECONDS].includes(view.getUint32(0, true));
  const magic = view.getUint32(0, isLittle);
  if (magic !== MICROSECONDS && magic !== NANOSECONDS) throw new Error('not a pcap file: it begins otherwise');
  // The upper bits tell about frame check sequences.
  const link = view.getUint32(20, isLittle) & 0xffff;
  if (link !== ETHERNET) throw new Error(`a pcap file of link type ${link} (only Ethernet, 1, is read)`);
  const fraction = magic === MICROSECONDS ? 1e-6 : 1e-9;
  const frames: Captured[] = [];
  for (let at = FILE_BYTES; at < file.length; ) {
    const frameAt = at + RECORD_BYTES;
    const length = frameAt <= file.length ? view.getUint32(at + 8, isLittle) : 0;
    if (frameAt + length > file.length) throw new Error(`a pcap file that ends inside the record at byte ${at}`);
    frames.push({
      seconds: view.getUint32(at, isLittle) + view.getUint32(at + 4, isLittle) * fraction,
      frame: file.slice(frameAt, frameAt + length),
    });
    at = frameAt + length;
  }
  return frames;
}

export function writePcap(frames: readonly Captured[]): Uint8Array {
  const length = frames.reduce((sum, { frame }) => sum + RECORD_BYTES + frame.length, FILE_BYTES);
  const file = new Uint8Array(length);
  const view = new DataView(file.buffer);
  view.setUint32(0, MICROSECONDS, true);
  view.setUint16(4, 2, true);
  view.setUint16(6, 4, true);
  view.setUint32(16, SNAPSHOT_BYTES, true);
  view.setUint32(20, ETHERNET, true);
  let at = FILE_BYTES;
  for (const { seconds, frame } of frames) {
    const micros = Math.round(seconds * 1e6);
    view.setUint32(at, Math.floor(micros / 1e6), true);
    view.setUint32(at + 4, micros % 1e6, true);
    view.setUint32(at + 8, frame.length, true);
    view.setUint32(at + 12, frame.length, true);
    file.set(frame, at + RECORD_BYTES);
    at += RECORD_BYTES + frame.length;
  }
  return file;
}
