/** Room for one structure of the layout: its bytes, and the same as 32-bit words in host order. */
export class StructMemory {
  readonly bytes: Uint8Array;
  readonly words: Int32Array;

  /** `length` and `at` are multiples of four, as the length of every key and value of a table is. */
  constructor(length: number, memory: ArrayBufferLike = new ArrayBuffer(length), at = 0) {
    this.bytes = new Uint8Array(memory, at, length);
    this.words = new Int32Array(memory, at, length >> 2);
  }

  /** A copy. */
  static of(bytes: Uint8Array): StructMemory {
    const memory = new StructMemory(bytes.length);
    memory.bytes.set(bytes);
    return memory;
  }
}
