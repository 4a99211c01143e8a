/** By whom servers behind tunnels are reached, as the kernel has it. */
import { type IpWords, isV4 } from '../core/address.js';
import { interfaceIndex } from '../sys/network-interface.js';
import { Routes } from '../sys/route.js';
import { addressBytes, addressWords } from './record.js';
import type { Way } from './tunnels.js';

export class Ways {
  readonly #interfaceName: string;
  /** Once there are tunnels. */
  #routes: Routes | undefined;

  constructor(interfaceName: string) {
    this.#interfaceName = interfaceName;
  }

  /** The kernel's route, if frames of the interface get there. */
  to(address: IpWords): Way {
    if (process.platform !== 'linux') return 'tunnels need Linux';
    this.#routes ??= new Routes();
    const bytes = addressBytes(address);
    const route = this.#routes.to(isV4(address) ? bytes.slice(12) : bytes);
    if (!route) return 'no route';
    if (!route.isUnicast) return 'an address of our own';
    if (route.interfaceIndex !== interfaceIndex(this.#interfaceName))
      return `its route does not leave by '${this.#interfaceName}'`;
    const { gateway, mtu } = route;
    if (!gateway) return { nextHop: address, mtu };
    const nextHop: IpWords =
      gateway.length === 16 ? addressWords(gateway) : [0, 0, 0xffff, new DataView(gateway.buffer).getInt32(0)];
    return { nextHop, mtu };
  }

  close(): void {
    this.#routes?.close();
  }
}
