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

/**
 * The functions that the process itself holds (libc, Node's OpenSSL), by their C prototypes; `otherwise` makes what stands in
 * for one that is missing here, or throws.
 */
export function bindFunctions(
  prototypes: Readonly<Record<string, string>>,
  otherwise: (name: string, cause: unknown) => () => never,
): Record<string, unknown> {
  const library = koffi().load(null);
  const functions: Record<string, unknown> = {};
  for (const [name, prototype] of Object.entries(prototypes)) {
    try {
      functions[name] = library.func(prototype);
    } catch (cause) {
      functions[name] = otherwise(name, cause);
    }
  }
  return functions;
}
