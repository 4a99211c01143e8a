/** What a Service is given: its surroundings, and the command line. */
import type { Endpoint } from '../core/address.js';
import type { Configuration } from '../core/configuration.js';
import type { EngineName } from '../engine/engine.js';
import type { DataPlane } from '../proxy/data-plane.js';
import type { Setup } from './draft.js';
import type { Service } from './service.js';

export interface ServiceOptions {
  /** Starts the data plane; called once, by `start`. */
  startDataPlane(
    configuration: Configuration,
    listen: Endpoint | undefined,
    engine: EngineName | 'auto',
    setup: Setup,
  ): Promise<DataPlane>;
  /** Serves the admin pages of `service`; rejects with a CommandError. */
  openAdmin(endpoint: Endpoint, service: Service): Promise<AdminDoor>;
  /** The engines that this platform has. */
  readonly engines: readonly EngineName[];
  /** The clock of blacklists and clients. */
  monotonicMs(): number;
  /** The clock of logs and pages. */
  wallMs(): number;
  /** Level 0 is for everybody, higher ones are for `debug`. */
  log(level: number, line: string): void;
  /** Where replies to -O, -F and `include` go. */
  print(text: string): void;
  /** Ends the process in an orderly way. */
  exit(status: number): void;
  /** `transparent` has been turned on while pen runs. */
  becameTransparent?(configuration: Configuration): void;
  /** Ends the process with a core file. */
  abort(): void;
  readonly pid: number;
  /** Of the package. */
  readonly version: string;
  /** Whether `exit` works (-X). */
  readonly allowExit: boolean;
}

/** The admin pages while they are served. */
export interface AdminDoor {
  /** What it is bound to. */
  readonly endpoint: Endpoint;
  /** Lets requests that are under way end, for a moment. */
  close(): Promise<void>;
}

/** The command line as commands; every option that has a penctl word is given as one. */
export interface CommandLine {
  readonly listen?: string | undefined;
  readonly servers: readonly string[];
  readonly commands: ReadonlyArray<{ readonly option: string; readonly line: string }>;
  readonly file?: string | undefined;
}
