/**
 * The one place that loads koffi. Platforms without a koffi binary still run (on the `node` engine):
 * whoever needs system calls asks for them and gets an error that says so.
 */
import { createRequire } from 'node:module';
import type koffiModule from 'koffi';

type Koffi = typeof koffiModule;

let loaded: Koffi | undefined;

/** koffi, loaded at first use; throws where it has no binary for this platform. */
export function koffi(): Koffi {
  if (loaded === undefined) {
    try {
      loaded = createRequire(import.meta.url)('koffi') as Koffi;
    } catch (cause) {
      throw new Error(`cannot call the system on ${process.platform}-${process.arch} (koffi has no binary here)`, {
        cause,
      });
    }
  }
  return loaded;
}

export function hasFfi(): boolean {
  try {
    koffi();
    return true;
  } catch {
    return false;
  }
}
