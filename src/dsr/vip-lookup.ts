/**
 * Which VIP a frame is for, and which of its services. Most frames are for the same as the one before, so what was found
 * last is kept, and looked up again when something else is asked for or the tables have changed. Hot path: positional numbers.
 */
import { set16 } from '../frame/byte-order.js';
import { copyAddress, littleEndian32 } from './frame-words.js';
import {
  prefixKey,
  VIP_ANY_PORT,
  VIP_HASH_PORTS,
  VIP_PREFIX,
  VIP_SILENT,
  vipKey,
  vipValue,
  WHOLE_PREFIX,
} from './layout.js';
import { StructMemory } from './struct-memory.js';
import type { PathTables } from './tables.js';

const FLAGS = vipValue.at.flags >> 2;
const INDEX = vipValue.at.index >> 2;
const ACL = vipValue.at.acl >> 2;
/** Of the address in the keys. */
const ADDRESS = vipKey.at.address >> 2;
/** No port, and no protocol either. */
const NOTHING = -1;

export class VipLookup {
  readonly #tables: PathTables;
  readonly #key = new StructMemory(vipKey.bytes);
  readonly #prefixKey = new StructMemory(prefixKey.bytes);
  readonly #vip = new StructMemory(vipValue.bytes);
  readonly #service = new StructMemory(vipValue.bytes);
  /** What was asked last, and what came of it. */
  readonly #address = new Int32Array(4);
  #family = 0;
  #version = NOTHING;
  #isVip = false;
  #port = NOTHING;
  #protocol = NOTHING;
  #hasService = false;

  constructor(tables: PathTables) {
    this.#tables = tables;
  }

  /** Whether an address of the frame is a VIP, by itself or else by its prefix; its services can be asked for then. */
  isVip(frame: Uint8Array, at: number, family: number): boolean {
    if (this.#isSame(frame, at, family)) return this.#isVip;
    this.#family = family;
    this.#version = this.#tables.vipsVersion;
    this.#port = NOTHING;
    copyAddress(frame, at, family, this.#address, 0);
    this.#isVip = this.#findVip();
    return this.#isVip;
  }

  /** The service of a port of the VIP: that of the port itself, else that of all ports. */
  findService(port: number, protocol: number): boolean {
    if (port === this.#port && protocol === this.#protocol) return this.#hasService;
    // No service has port 0: its entry is the one of packets without a port.
    this.#hasService =
      (port !== 0 && this.#find(port, protocol, this.#service)) ||
      (this.#find(0, protocol, this.#service) && (this.#service.words[FLAGS] & VIP_ANY_PORT) !== 0);
    this.#port = port;
    this.#protocol = protocol;
    return this.#hasService;
  }

  /** The service of the VIP's packets that have no port. */
  findPortless(protocol: number): boolean {
    this.#port = NOTHING;
    return this.#find(0, protocol, this.#service);
  }

  /** Whether others answer for the VIP. */
  get isSilent(): boolean {
    return (this.#vip.words[FLAGS] & VIP_SILENT) !== 0;
  }

  /** The list that the VIP's clients must be permitted by, as a bit; 0: all may come. */
  get aclBit(): number {
    return this.#vip.words[ACL];
  }

  /** Number of the service. */
  get service(): number {
    return this.#service.words[INDEX];
  }

  get hashesPorts(): boolean {
    return (this.#service.words[FLAGS] & VIP_HASH_PORTS) !== 0;
  }

  #isSame(frame: Uint8Array, at: number, family: number): boolean {
    if (family !== this.#family || this.#tables.vipsVersion !== this.#version) return false;
    if (family === 4) return littleEndian32(frame, at) === this.#address[3];
    for (let i = 0; i < 4; i++) if (littleEndian32(frame, at + i * 4) !== this.#address[i]) return false;
    return true;
  }

  #findVip(): boolean {
    this.#loadKey(this.#key.words, ADDRESS);
    this.#key.bytes[vipKey.at.family] = this.#family;
    if (this.#find(0, 0, this.#vip)) return true;
    const prefix = this.#prefixKey;
    prefix.words[prefixKey.at.prefixBits >> 2] = WHOLE_PREFIX;
    prefix.words[prefixKey.at.family >> 2] = this.#family;
    this.#loadKey(prefix.words, prefixKey.at.address >> 2);
    if (!this.#tables.findPrefix(prefix, this.#vip)) return false;
    for (let word = 0; word < 3; word++) this.#key.words[ADDRESS + word] = 0;
    this.#key.words[ADDRESS + 3] = this.#vip.words[INDEX];
    this.#key.bytes[vipKey.at.family] = this.#family | VIP_PREFIX;
    return true;
  }

  #loadKey(words: Int32Array, at: number): void {
    for (let word = 0; word < 4; word++) words[at + word] = this.#address[word];
  }

  /** An entry of the address, or of the prefix, that is loaded. */
  #find(port: number, protocol: number, value: StructMemory): boolean {
    const { bytes } = this.#key;
    set16(bytes, vipKey.at.portBe, port);
    bytes[vipKey.at.protocol] = protocol;
    return this.#tables.findVip(this.#key, value);
  }
}
