/** A running balancer as it is shown: what `servers`, `status`, the -w file, metrics and dashboard are made from. */
import type { DataPlane } from '../proxy/data-plane.js';
import type { Setup } from './draft.js';
import {
  type Moment,
  takeBriefs,
  takeCounted,
  takeServer,
  takeServers,
  takeStatistics,
  takeSummary,
} from './snapshot.js';
import type { CountedServer, ServerBrief, ServerStatistics, Statistics, Summary } from './statistics.js';

export interface ViewSources {
  setup(): Setup;
  dataPlane(): DataPlane;
  moment(): Moment;
}

export class Views {
  readonly #sources: ViewSources;

  constructor(sources: ViewSources) {
    this.#sources = sources;
  }

  /** Everything at once. */
  statistics(): Promise<Statistics> {
    return takeStatistics(this.#setup, this.#upToDate, this.#sources.moment());
  }

  summary(): Summary {
    return takeSummary(this.#setup, this.#upToDate, this.#sources.moment());
  }

  /** The servers, a row at a time as they are asked for. */
  servers(): Iterable<ServerStatistics> {
    return takeServers(this.#setup, this.#upToDate, this.#sources.moment().monotonicMs);
  }

  /** The same in short. */
  briefs(): Iterable<ServerBrief> {
    return takeBriefs(this.#setup, this.#upToDate, this.#sources.moment().monotonicMs);
  }

  /** The same with meters as numbers; each row is to be used before the next is asked for. */
  counted(): Iterable<CountedServer> {
    return takeCounted(this.#setup, this.#upToDate, this.#sources.moment().monotonicMs);
  }

  /** One row of the server table, undefined if there is none. */
  server(slot: number): ServerStatistics | undefined {
    return takeServer(this.#setup, this.#upToDate, slot, this.#sources.moment().monotonicMs);
  }

  get #setup(): Setup {
    return this.#sources.setup();
  }

  /** The data plane with its tables as they are now: those of the kernel are copied first. */
  get #upToDate(): DataPlane {
    const dataPlane = this.#sources.dataPlane();
    dataPlane.refresh?.();
    return dataPlane;
  }
}
