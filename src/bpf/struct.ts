/**
 * Records in memory, defined once for both sides: a program takes field offsets and byte order from the
 * definition, the map codec encodes and decodes with it. Pure: no kernel, no other module.
 *
 * Integers are the host's little-endian unless the name ends in `be` (BPF runs in the byte order of its host, and
 * every host that Node and koffi run on here is little-endian).
 */

/** How a value of type T lies in memory. */
export interface Codec<T> {
  /** Size; a multiple of `align`, except in packed records. */
  readonly bytes: number;
  readonly align: number;
  /** True if the bytes are in network order. */
  readonly isBigEndian: boolean;
  /** Writes every byte of the value at `offset`, padding as zeros. */
  encode(view: DataView, offset: number, value: T): void;
  decode(view: DataView, offset: number): T;
}

/** Where a field lies in its record, and how. */
export interface Field {
  readonly name: string;
  readonly offset: number;
  readonly bytes: number;
  readonly isBigEndian: boolean;
}

/** Bytes that no value stands for. */
export interface Padding extends Codec<undefined> {
  readonly isPadding: true;
}

const FEW_BYTES = 32;

type Members = Readonly<Record<string, Codec<unknown>>>;

/** What a codec's values are. */
export type ValueOf<C> = C extends { decode(view: DataView, offset: number): infer T } ? T : never;

/** The plain value of a record: one property a field, none for padding. */
export type RecordOf<M extends Members> = {
  readonly [K in keyof M as M[K] extends Padding ? never : K]: ValueOf<M[K]>;
};

export interface Struct<M extends Members = Members> extends Codec<RecordOf<M>> {
  readonly name: string;
  readonly field: { readonly [K in keyof M]: Field };
  /** Where each field begins: `field[...].offset`, for code that reads the bytes itself. */
  readonly at: { readonly [K in keyof M]: number };
}

const integer = <T>(bytes: number, isBigEndian: boolean, get: keyof DataView, set: keyof DataView): Codec<T> => ({
  bytes,
  align: bytes,
  isBigEndian,
  encode: (view, offset, value) =>
    (view[set] as (offset: number, value: T, little: boolean) => void).call(view, offset, value, !isBigEndian),
  decode: (view, offset) => (view[get] as (offset: number, little: boolean) => T).call(view, offset, !isBigEndian),
});

export const u8 = integer<number>(1, false, 'getUint8', 'setUint8');
export const u16 = integer<number>(2, false, 'getUint16', 'setUint16');
export const u32 = integer<number>(4, false, 'getUint32', 'setUint32');
export const u64 = integer<bigint>(8, false, 'getBigUint64', 'setBigUint64');
export const u16be = integer<number>(2, true, 'getUint16', 'setUint16');
export const u32be = integer<number>(4, true, 'getUint32', 'setUint32');

/** `count` bytes as they are; a value of another length throws. `align` up to 8 where it is to be read in words. */
export function bytes(count: number, align = 1): Codec<Uint8Array> {
  return {
    bytes: count,
    align,
    isBigEndian: true,
    encode(view, offset, value) {
      if (value.length !== count) throw new RangeError(`${value.length} bytes where ${count} belong`);
      // An array over a few bytes costs more than to write them.
      if (count > FEW_BYTES) new Uint8Array(view.buffer, view.byteOffset + offset, count).set(value);
      else for (let i = 0; i < count; i++) view.setUint8(offset + i, value[i]);
    },
    decode: (view, offset) => new Uint8Array(view.buffer, view.byteOffset + offset, count).slice(),
  };
}

/** `count` bytes that are zero: written out, because a map compares keys byte by byte. */
export function padding(count: number): Padding {
  return {
    bytes: count,
    align: 1,
    isBigEndian: false,
    isPadding: true,
    encode(view, offset) {
      for (let i = 0; i < count; i++) view.setUint8(offset + i, 0);
    },
    decode: () => undefined,
  };
}

/**
 * A record laid out as C would. Throws where C would put padding of its own (before a field, or at the end):
 * what is compared and copied byte by byte must have no byte without a name.
 */
export function struct<const M extends Members>(name: string, members: M): Struct<M> {
  let offset = 0;
  for (const [field, { bytes, align }] of Object.entries(members)) {
    if (offset % align !== 0)
      throw new Error(`field '${name}.${field}' lies at ${offset}, not at a multiple of ${align}`);
    offset += bytes;
  }
  const align = Math.max(1, ...Object.values(members).map((member) => member.align));
  if (offset % align !== 0) throw new Error(`'${name}' has ${offset} bytes, not a multiple of ${align} (pad its end)`);
  return record(name, members, align);
}

/** A record without alignment, as protocols have them on the wire. */
export function packed<const M extends Members>(name: string, members: M): Struct<M> {
  return record(name, members, 1);
}

function record<M extends Members>(name: string, members: M, align: number): Struct<M> {
  const entries = Object.entries(members);
  const field: Record<string, Field> = {};
  let offset = 0;
  for (const [key, { bytes, isBigEndian }] of entries) {
    field[key] = { name: `${name}.${key}`, offset, bytes, isBigEndian };
    offset += bytes;
  }
  const at = Object.fromEntries(entries.map(([key]) => [key, field[key].offset]));
  const values = entries.filter(([, member]) => !('isPadding' in member));
  return {
    name,
    bytes: offset,
    align,
    isBigEndian: false,
    field: field as Struct<M>['field'],
    at: at as Struct<M>['at'],
    encode(view, offset, value) {
      for (const [key, member] of entries) member.encode(view, offset + at[key], (value as never)[key]);
    },
    decode(view, offset) {
      const value: Record<string, unknown> = {};
      for (const [key, member] of values) value[key] = member.decode(view, offset + at[key]);
      return value as RecordOf<M>;
    },
  };
}

/** The bytes of one value. */
export function encoded<T>(codec: Codec<T>, value: T): Uint8Array {
  const memory = new Uint8Array(codec.bytes);
  codec.encode(new DataView(memory.buffer), 0, value);
  return memory;
}

/** The value that the first bytes of `memory` hold. */
export function decoded<T>(codec: Codec<T>, memory: Uint8Array): T {
  return codec.decode(new DataView(memory.buffer, memory.byteOffset, memory.byteLength), 0);
}
