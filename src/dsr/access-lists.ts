/** The lists of clients and of the tarpit as they stand in `acl`. */
import type { AclEntry } from '../core/acl.js';
import type { Configuration } from '../core/configuration.js';
import { type AclRecord, aclRecords } from './acl-prefixes.js';
import { DsrError } from './errors.js';
import { TARPIT_LIST } from './layout.js';
import type { ControlTables } from './tables.js';

/** By key, as text. */
type Records = ReadonlyMap<string, AclRecord>;

export class AccessLists {
  readonly #tables: Pick<ControlTables, 'setAcl' | 'deleteAcl'>;
  #records: Records = new Map();
  /** Still in the table, though no longer asked for. */
  readonly #old = new Map<string, AclRecord>();

  constructor(tables: Pick<ControlTables, 'setAcl' | 'deleteAcl'>) {
    this.#tables = tables;
  }

  /** Writes what is there from now on; what is not any more stays until `settle`, as VIPs may still ask for it. */
  apply(records: Records): void {
    for (const { key, value } of records.values()) this.#tables.setAcl(key, value);
    for (const [name, record] of this.#records) if (!records.has(name)) this.#old.set(name, record);
    for (const name of records.keys()) this.#old.delete(name);
    this.#records = records;
  }

  /** Nobody is asked for a list that is gone. */
  settle(): void {
    for (const { key } of this.#old.values()) this.#tables.deleteAcl(key);
    this.#old.clear();
  }
}

/** The entries that a configuration makes. Throws a DsrError if they are too many. */
export function accessRecords({ acls, settings }: Configuration, tarpit: readonly AclEntry[]): Records {
  const entries = acls[settings.clientAcl] ?? [];
  const lists = new Map<number, readonly AclEntry[]>();
  if (entries.length > 0) lists.set(settings.clientAcl, entries);
  if (tarpit.length > 0) lists.set(TARPIT_LIST, tarpit);
  const records = lists.size === 0 ? [] : aclRecords(lists);
  if (typeof records === 'string') throw new DsrError(records);
  return new Map(records.map((record) => [Buffer.from(record.key).toString('latin1'), record]));
}
