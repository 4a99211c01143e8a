/**
 * The way back to clients: for each path the sockaddr of the client and the control data that make an answer leave from
 * the address the client wrote to, in the form in which sendmsg(2) takes them, so that an answer is a pointer.
 *
 *   words 0-6 sockaddr   7 its length   8 length of the control data   9 unused   10-19 control data
 */
import { MAX_CONNECTIONS } from '../../core/configuration.js';
import { type Mapping, mapAnonymous, unmap } from '../../sys/memory.js';
import { AF_INET, socketAbi } from '../../sys/uapi/socket.js';
import type { Slots } from './slots.js';

const WORDS = 20;
const LENGTH = 7;
const CONTROL_LENGTH = 8;
const CONTROL = 10;

export class ReturnPaths {
  /** Reserved for as many as there may ever be; the kernel commits what is touched. */
  readonly #memory: Mapping = mapAnonymous(MAX_CONNECTIONS * WORDS * 4);
  readonly #words = new Int32Array(this.#memory.buffer);

  /** Keeps the sender of the datagram in `slot`, whose control data have just been read. */
  keep(path: number, slots: Slots, slot: number): void {
    const at = path * WORDS;
    slots.copyName(slot, this.#words, at);
    const family = socketAbi.hasLength ? (this.#words[at] >> 8) & 0xff : this.#words[at] & 0xffff;
    this.#words[at + LENGTH] = family === AF_INET ? 16 : 28;
    this.#words[at + CONTROL_LENGTH] = slots.writeSource(this.#words, at + CONTROL);
  }

  nameAddress(path: number): number {
    return this.#memory.address + path * WORDS * 4;
  }

  nameBytes(path: number): number {
    return this.#words[path * WORDS + LENGTH];
  }

  controlAddress(path: number): number {
    return this.#memory.address + (path * WORDS + CONTROL) * 4;
  }

  controlBytes(path: number): number {
    return this.#words[path * WORDS + CONTROL_LENGTH];
  }

  /** Copies the control data word by word to `to[at..)`. */
  copyControl(path: number, to: Int32Array, at: number): void {
    const from = path * WORDS + CONTROL;
    const count = this.controlBytes(path) / 4;
    for (let i = 0; i < count; i++) to[at + i] = this.#words[from + i];
  }

  close(): void {
    unmap(this.#memory);
  }
}
