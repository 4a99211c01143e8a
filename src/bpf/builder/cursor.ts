/**
 * A place in a packet. The verifier lets a program touch a packet only where it has compared a pointer with the
 * packet's end; `need` is that comparison, once for all fields that follow, and a field beyond it is refused while the
 * program is being built.
 *
 *      register                  register + bytes          end register
 *         ▼                            ▼                        ▼
 *   ──────┬────────────────────────────┬────────────────────────┬──
 *         │ may be touched             │ not checked            │
 */
import * as asm from '../asm/index.js';
import type { Builder } from './builder.js';
import { above } from './condition.js';
import { Place } from './place.js';

export class Cursor extends Place {
  readonly #builder: Builder;
  readonly #end: asm.Register;

  /** `base` points into the packet, `end` at its end. */
  constructor(builder: Builder, what: string, base: asm.Register, end: asm.Register) {
    super(builder, what, base, 0, 0);
    this.#builder = builder;
    this.#end = end;
  }

  /** scratch = base; scratch += bytes; if scratch > end goto otherwise. From here on `bytes` may be touched. */
  need(bytes: number, scratch: asm.Register, otherwise: string): void {
    this.#builder.emit(asm.mov.reg(scratch, this.base), asm.add.imm(scratch, bytes));
    this.#builder.jumpIf(above(scratch, this.#end), otherwise);
    this.setBytes(Math.max(this.bytes, bytes));
  }

  /** base += bytes: what was checked beyond stays so. */
  advance(bytes: number): void {
    this.#builder.emit(asm.add.imm(this.base, bytes));
    this.setBytes(Math.max(0, this.bytes - bytes));
  }

  /** base += by, whose bounds the verifier must know; nothing may be touched until the next `need`. */
  advanceBy(by: asm.Register): void {
    this.#builder.emit(asm.add.reg(this.base, by));
    this.setBytes(0);
  }
}
