/** Network interfaces by name. */
import { check, libc } from './libc.js';

/** The index of an interface in this thread's network namespace; throws a SystemError (ENODEV) if there is none. */
export function interfaceIndex(name: string): number {
  const index = libc().if_nametoindex(name);
  return index === 0 ? check(-1, 'find interface', name) : index;
}
