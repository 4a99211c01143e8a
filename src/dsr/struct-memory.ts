/** Room for one structure of the layout: its bytes, and the same as 32-bit words in host order. */
export class StructMemory {
  readonly bytes: Uint8Array;
  readonly words: Int32Array;

  /** `length` is a multiple of four, as that of every key and value of a table. */
  constructor(length: number) {
    this.bytes = new Uint8Array(length);
    this.words = new Int32Array(this.bytes.buffer);
  }

  /** A copy. */
  static of(bytes: Uint8Array): StructMemory {
    const memory = new StructMemory(bytes.length);
    memory.bytes.set(bytes);
    return memory;
  }
}
