/**
 * Servers by the name that clients ask for (`server N name NAME`). The servers with one name are a group, and so are
 * those without; a group is balanced like a table of its own: the same rules, its own turns, the shared state.
 *
 * A group's table is made when the first client asks for it: a name costs nothing until then, and what clients invent
 * makes none.
 */
import { Balancer } from '../core/balancer.js';
import type { ClientTable } from '../core/client-table.js';
import { type Configuration, emptySlot } from '../core/configuration.js';
import type { ServerState } from '../core/server-state.js';
import { ServerTable } from '../core/server-table.js';

export interface ServerGroup {
  readonly servers: ServerTable;
  readonly balancer: Balancer;
}

export class ServerGroups {
  readonly #state: ServerState;
  readonly #clients: ClientTable;
  #configuration: Configuration | undefined;
  /** The names that servers have; `*` stands for none. */
  #names = new Set<string>();
  readonly #groups = new Map<string, ServerGroup>();

  constructor(state: ServerState, clients: ClientTable) {
    this.#state = state;
    this.#clients = clients;
  }

  configure(configuration: Configuration): void {
    if (configuration === this.#configuration) return;
    this.#configuration = configuration;
    this.#names = new Set(configuration.servers.flatMap(({ names }) => (names.length > 0 ? names : [])));
    this.#groups.clear();
  }

  /** Some server serves certain names only. */
  get hasNames(): boolean {
    return this.#names.size > 0;
  }

  /** The servers for a name: those that have it, else those of the longest `*.domain` that covers it, else those without names. */
  find(name: string | undefined): ServerGroup {
    const key = name === undefined ? '*' : this.#match(name);
    let group = this.#groups.get(key);
    if (group === undefined) {
      group = this.#make(key);
      this.#groups.set(key, group);
    }
    return group;
  }

  #match(name: string): string {
    if (this.#names.has(name)) return name;
    for (let dot = name.indexOf('.'); dot >= 0; dot = name.indexOf('.', dot + 1)) {
      const wildcard = `*${name.slice(dot)}`;
      if (this.#names.has(wildcard)) return wildcard;
    }
    return '*';
  }

  #make(key: string): ServerGroup {
    const configuration = this.#configuration as Configuration;
    const servers = new ServerTable(this.#state);
    const balancer = new Balancer(servers, this.#clients);
    balancer.configure({
      ...configuration,
      servers: configuration.servers.map((spec) => {
        const serves = key === '*' ? spec.names.length === 0 : spec.names.includes(key);
        return serves ? spec : emptySlot;
      }),
    });
    return { servers, balancer };
  }
}
