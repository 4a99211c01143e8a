/**
 * Somewhere in memory that a register points at: a record on the stack, a map's value, a header of a packet. Fields
 * are read and written by their definition; one that lies beyond what may be touched is refused here, before the
 * verifier would. Every method emits exactly the instructions that its comment shows.
 */
import * as asm from '../asm/index.js';
import type { Builder } from './builder.js';

/** What a field's definition must say; a `Field` of struct.ts does. */
export interface FieldAt {
  readonly offset: number;
  readonly bytes: number;
}

export class Place {
  readonly base: asm.Register;
  /** Where the place begins, from the register. */
  readonly offset: number;
  readonly #builder: Builder;
  readonly #what: string;
  #bytes: number;

  /** `bytes` from `offset` on may be touched. */
  constructor(builder: Builder, what: string, base: asm.Register, offset: number, bytes: number) {
    this.#builder = builder;
    this.#what = what;
    this.base = base;
    this.offset = offset;
    this.#bytes = bytes;
  }

  /** Bytes that may be touched. */
  get bytes(): number {
    return this.#bytes;
  }

  /** dst = field, as it lies in memory: a big-endian field needs `toBe` to be a number. */
  load(dst: asm.Register, field: FieldAt): void {
    const size = width(field);
    this.#builder.emit(asm.load(dst, this.base, this.#at(field), size));
  }

  /** field = value (a number as it is to lie in memory). */
  store(field: FieldAt, value: asm.Register | number): void {
    const at = this.#at(field);
    this.#builder.emit(
      typeof value === 'number'
        ? asm.storeImm(this.base, at, value, width(field))
        : asm.store(this.base, at, value, width(field)),
    );
  }

  /** scratch = field; scratch += amount; field = scratch: for memory that no other CPU writes. */
  increase(field: FieldAt, amount: asm.Register | number, scratch: asm.Register): void {
    this.load(scratch, field);
    this.#builder.emit(typeof amount === 'number' ? asm.add.imm(scratch, amount) : asm.add.reg(scratch, amount));
    this.store(field, scratch);
  }

  /** The field of any length = that of another place, through `scratch`, in the widest steps that fit. */
  copy(field: FieldAt, from: Place, source: FieldAt, scratch: asm.Register): void {
    for (const { offset, bytes } of steps(field, 0)) {
      from.load(scratch, { offset: source.offset + offset - field.offset, bytes });
      this.store({ offset, bytes }, scratch);
    }
  }

  /** Zeros, in the widest aligned steps; the whole place if no field is given. */
  clear(field: FieldAt = { offset: 0, bytes: this.#bytes }): void {
    for (const step of steps(field, this.offset)) this.store(step, 0);
  }

  /** dst = where the place (or the field) begins. */
  address(dst: asm.Register, field: FieldAt = { offset: 0, bytes: 0 }): void {
    this.#builder.emit(asm.mov.reg(dst, this.base));
    const at = this.#at(field);
    if (at !== 0) this.#builder.emit(asm.add.imm(dst, at));
  }

  /** A part of it, for records inside records. */
  part(what: string, field: FieldAt): Place {
    return new Place(this.#builder, what, this.base, this.#at(field), field.bytes);
  }

  /** For cursors: what a check of the bounds has made safe. */
  protected setBytes(bytes: number): void {
    this.#bytes = bytes;
  }

  #at(field: FieldAt): number {
    if (field.offset < 0 || field.offset + field.bytes > this.#bytes)
      throw new RangeError(
        `bytes ${field.offset} to ${field.offset + field.bytes} of '${this.#what}' are not within ${this.#bytes}`,
      );
    return this.offset + field.offset;
  }
}

function width(field: FieldAt): asm.Width {
  const { bytes } = field;
  if (bytes === 1 || bytes === 2 || bytes === 4 || bytes === 8) return bytes;
  throw new RangeError(`a field of ${bytes} bytes fits no register`);
}

/** Cuts a field into steps of 8, 4, 2 and 1 bytes, each at a multiple of its size when the place begins at `origin`. */
function steps(field: FieldAt, origin: number): FieldAt[] {
  const found: FieldAt[] = [];
  const end = field.offset + field.bytes;
  for (let offset = field.offset; offset < end; ) {
    const bytes = [8, 4, 2, 1].find((size) => offset + size <= end && (origin + offset) % size === 0) as number;
    found.push({ offset, bytes });
    offset += bytes;
  }
  return found;
}
