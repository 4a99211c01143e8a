/** The services of one VIP as entries of `vips`. */
import { formatIp, type IpEndpoint } from '../core/address.js';
import type { Configuration } from '../core/configuration.js';
import { VIP_ANY_PORT, VIP_HASH_PORTS, VIP_SILENT } from './layout.js';
import { vipKeyOf, vipValueOf } from './record.js';
import type { ControlTables } from './tables.js';

export interface Vip {
  readonly index: number;
  /** Port 0 is every port. */
  readonly endpoint: IpEndpoint;
  /** PROTOCOL.tcp or .udp. */
  readonly protocol: number;
}

export class VipEntries {
  readonly #tables: ControlTables;
  /** Key and value, as text, of what is written. */
  #written = new Map<string, string>();

  constructor(tables: ControlTables) {
    this.#tables = tables;
  }

  /**
   * Writes what has changed: new entries first, then those that are no more go. True if anything had. `isSilent`: who
   * asks for the VIPs' MAC address gets no answer from here.
   */
  apply(vips: readonly Vip[], { settings, acls }: Configuration, isSilent: boolean): boolean {
    const wanted = new Map<string, string>();
    const acl = acls[settings.clientAcl]?.length > 0 ? 1 << settings.clientAcl : 0;
    for (const { index, endpoint, protocol } of vips) {
      const { address, family, port } = endpoint;
      const flags =
        (port === 0 ? VIP_ANY_PORT : 0) | (settings.roundRobin ? VIP_HASH_PORTS : 0) | (isSilent ? VIP_SILENT : 0);
      const value = text(vipValueOf({ index, flags, acl }));
      wanted.set(text(vipKeyOf(address, family, port, protocol)), value);
      // Of several services, the first has what has no port, unless one has every port.
      const portless = text(vipKeyOf(address, family, 0, protocol));
      if (port === 0 || !wanted.has(portless)) wanted.set(portless, value);
      wanted.set(text(vipKeyOf(address, family, 0, 0)), value);
    }
    const changed = [...wanted].filter(([key, value]) => this.#written.get(key) !== value);
    const gone = [...this.#written.keys()].filter((key) => !wanted.has(key));
    for (const [key, value] of changed) this.#tables.setVip(bytes(key), bytes(value));
    for (const key of gone) this.#tables.deleteVip(bytes(key));
    this.#written = wanted;
    return changed.length + gone.length > 0;
  }
}

/** `192.0.2.80:80 tcp`, every port as `*`. */
export function formatVip({ endpoint, protocol }: Vip): string {
  const { family, address, port } = endpoint;
  const host = family === 4 ? formatIp(address) : `[${formatIp(address)}]`;
  return `${host}:${port === 0 ? '*' : port} ${protocol === 17 ? 'udp' : 'tcp'}`;
}

function text(record: Uint8Array): string {
  return Buffer.from(record).toString('latin1');
}

function bytes(record: string): Uint8Array {
  return Uint8Array.from(Buffer.from(record, 'latin1'));
}
