/**
 * Writes a program as stages and blocks instead of jumps. It allocates no registers and reorders nothing: each call
 * emits the instructions its comment shows, in the order of the calls, so a listing can be read beside its source.
 *
 * The one convention: helpers take r1 to r5 and lose them, r6 to r9 are the caller's to keep.
 */

import { MAX_BPF_STACK } from '../../sys/uapi/bpf.js';
import * as asm from '../asm/index.js';
import { type Condition, equal } from './condition.js';
import { type FieldAt, Place } from './place.js';

type Body = () => void;

/** What csum_diff adds at most (net/core/filter.c, bpf_csum_diff). */
const MAX_CSUM_BYTES = 512;

/** What the builder must know of a map. */
export interface MapShape {
  readonly name: string;
  readonly key: { readonly bytes: number };
  readonly value: { readonly bytes: number };
}

export class Builder {
  readonly #code: asm.Item[] = [];
  #stage = 'start';
  readonly #labelsOf = new Map<string, number>();
  #stackBytes = 0;

  /** The program so far. */
  get code(): asm.Code {
    return this.#code;
  }

  emit(...items: readonly asm.Item[]): void {
    this.#code.push(...items);
  }

  /** A part of the program under a label of its own, which other stages may jump to; its blocks are named after it. */
  stage(name: string, body: Body): void {
    const outer = this.#stage;
    this.#stage = name;
    this.emit(asm.label(name));
    body();
    this.#stage = outer;
  }

  /** A label for a place inside the stage: 'stage.role', numbered from the second on. */
  newLabel(role: string): string {
    const name = `${this.#stage}.${role}`;
    const count = (this.#labelsOf.get(name) ?? 0) + 1;
    this.#labelsOf.set(name, count);
    return count === 1 ? name : `${name}${count}`;
  }

  goto(target: string): void {
    this.emit(asm.ja(target));
  }

  /** if condition goto target. */
  jumpIf(condition: Condition, target: string): void {
    this.emit(condition.jump(target));
  }

  /** Runs the body if the condition holds: if !condition goto end; body; end. With `otherwise` the body jumps over it. */
  if(condition: Condition, body: Body, otherwise?: Body): void {
    const after = this.newLabel('endif');
    const other = otherwise === undefined ? after : this.newLabel('else');
    if (condition.jumpUnless !== undefined) this.emit(condition.jumpUnless(other));
    else {
      const then = this.newLabel('then');
      this.emit(condition.jump(then), asm.ja(other), asm.label(then));
    }
    body();
    if (otherwise !== undefined) {
      // A body that ends in a jump needs none to get past the other.
      if (!this.#isUnreachable()) this.emit(asm.ja(after));
      this.emit(asm.label(other));
      otherwise();
    }
    this.emit(asm.label(after));
  }

  /** Runs the body if the condition does not hold: if condition goto end; body; end. */
  unless(condition: Condition, body: Body): void {
    const after = this.newLabel('endif');
    this.emit(condition.jump(after));
    body();
    this.emit(asm.label(after));
  }

  /** Runs the body for the first case that `value` equals: a chain of comparisons, then `otherwise`. */
  switch(value: asm.Register, cases: ReadonlyArray<readonly [number, string]>, otherwise: string): void {
    for (const [constant, target] of cases) this.jumpIf(equal(value, constant), target);
    this.goto(otherwise);
  }

  /** `bytes` at base + offset, of which the program knows that they may be touched. */
  place(what: string, base: asm.Register, offset: number, bytes: number): Place {
    return new Place(this, what, base, offset, bytes);
  }

  /** Room on the stack, aligned to 8 bytes; the verifier wants it written before it is read. */
  reserve(what: string, bytes: number): Place {
    this.#stackBytes += Math.ceil(bytes / 8) * 8;
    if (this.#stackBytes > MAX_BPF_STACK)
      throw new RangeError(`no room on the stack for '${what}': ${this.#stackBytes} bytes of ${MAX_BPF_STACK}`);
    return new Place(this, what, asm.r10, -this.#stackBytes, bytes);
  }

  /**
   * Looks the key up: r1 = map; r2 = key; call map_lookup_elem; if r0 == 0 goto missing. Gives the value, at r0 until
   * the next call.
   */
  lookup(map: MapShape, key: Place, missing: string): Place {
    this.#checkKey(map, key);
    this.emit(asm.loadMap(asm.r1, map.name));
    key.address(asm.r2);
    this.emit(asm.callHelper('map_lookup_elem'));
    this.jumpIf(equal(asm.r0, 0), missing);
    return new Place(this, `value of ${map.name}`, asm.r0, 0, map.value.bytes);
  }

  /** Writes an entry, new or not: r1 = map; r2 = key; r3 = value; r4 = 0; call map_update_elem; r0 = 0 or -errno. */
  update(map: MapShape, key: Place, value: Place): void {
    this.#checkKey(map, key);
    if (value.bytes !== map.value.bytes)
      throw new RangeError(`a value of '${map.name}' has ${map.value.bytes} bytes, not ${value.bytes}`);
    this.emit(asm.loadMap(asm.r1, map.name));
    key.address(asm.r2);
    value.address(asm.r3);
    this.emit(asm.mov.imm(asm.r4, 0), asm.callHelper('map_update_elem'));
  }

  /**
   * r0 = the sum of `field`'s words and of the number in `seed`, unfolded (csum_diff, 4.6): its bytes are a multiple of four.
   * The kernel takes 512 at once, so a longer field is added in parts.
   */
  addWords(place: Place, field: FieldAt, seed: asm.Register): void {
    this.emit(asm.mov.reg(asm.r5, seed));
    for (let at = 0; at < field.bytes; at += MAX_CSUM_BYTES) {
      const bytes = Math.min(MAX_CSUM_BYTES, field.bytes - at);
      if (at > 0) this.emit(asm.mov.reg(asm.r5, asm.r0));
      place.address(asm.r3, { offset: field.offset + at, bytes });
      this.emit(asm.mov.imm(asm.r1, 0), asm.mov.imm(asm.r2, 0), asm.mov.imm(asm.r4, bytes));
      this.emit(asm.callHelper('csum_diff'));
    }
  }

  /** r0 = value; exit. */
  return(value: number): void {
    this.emit(asm.mov32.imm(asm.r0, value), asm.exit());
  }

  #checkKey(map: MapShape, key: Place): void {
    if (key.bytes !== map.key.bytes)
      throw new RangeError(`a key of '${map.name}' has ${map.key.bytes} bytes, not ${key.bytes}`);
  }

  #isUnreachable(): boolean {
    const last = this.#code.at(-1);
    return last !== undefined && !asm.isLabel(last) && (last.opcode === GOTO || last.opcode === EXIT);
  }
}

const GOTO = asm.ja('').opcode;
const EXIT = asm.exit().opcode;
