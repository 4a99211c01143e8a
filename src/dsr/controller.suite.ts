/** A controller over tables in memory, on a link where every server answers but those that are silent. */
import { ipEndpoint } from '../core/address.js';
import {
  type Configuration,
  emptyConfiguration,
  emptySlot,
  type ServerSpec,
  type Settings,
} from '../core/configuration.js';
import { ServerState } from '../core/server-state.js';
import { ADDRESS_BITS, type Vip } from '../core/vip.js';
import { arp } from '../frame/arp.js';
import { ethernet } from '../frame/ethernet.js';
import { Controller, type ControllerOptions } from './controller.js';
import { ip, macOf, OWN_MAC, SEED, TARPIT_KEY } from './fixtures/stage.js';
import { MemoryTables } from './memory-tables.js';

export const SLOTS = 65_537;
export const LISTEN: Vip = { address: ip('10.7.0.80'), bits: ADDRESS_BITS, port: 80, protocol: 'tcp' };

/** Server n, from 1 on. */
export const addressOf = (n: number) => ip(`10.7.${n >> 8}.${n & 255}`);

export function spec(n: number, changes: Partial<ServerSpec> = {}): ServerSpec {
  return { ...emptySlot, endpoint: ipEndpoint(addressOf(n), 80), ...changes };
}

export function configuration(
  servers: readonly ServerSpec[],
  settings: Partial<Settings> = {},
  rest: Partial<Configuration> = {},
): Configuration {
  return { ...emptyConfiguration, servers, settings: { ...emptyConfiguration.settings, ...settings }, ...rest };
}

/** Clients are let in after the first round of questions, unless it `waits`. `listen`: that of the server table. */
export function stage(
  first: Configuration,
  {
    listen,
    vips,
    waits = false,
    ...more
  }: { listen?: Vip | undefined; vips?: number; waits?: boolean } & Partial<ControllerOptions> = {
    listen: LISTEN,
  },
) {
  const memory = new MemoryTables({ vips: vips ?? 16, pages: 2, flows: 1024, fragments: 64 });
  /** Every write, as `setReal 7`. */
  const writes: string[] = [];
  const tables = new Proxy(memory, {
    get(target, name) {
      const member = Reflect.get(target, name);
      if (typeof member !== 'function') return member;
      return (...args: unknown[]) => {
        if (/^(set|delete)/.test(String(name)))
          writes.push(`${String(name)} ${typeof args[0] === 'number' ? args[0] : ''}`);
        return member.apply(target, args);
      };
    },
  });
  const servers = new ServerState(ServerState.allocate());
  const silent = new Set<number>();
  const said: string[] = [];
  const sent: Uint8Array[] = [];
  const answers: Uint8Array[] = [];
  const counts = { vipsChanged: 0 };
  const send = (frame: Uint8Array) => {
    sent.push(frame);
    const target = (frame[40] << 8) | frame[41];
    const isQuestion = frame[28] === 0 && frame[38] === 10;
    if (!isQuestion || silent.has(target)) return;
    const packet = arp({
      operation: 2,
      senderMac: macOf(target),
      senderIp: frame.slice(38, 42),
      targetIp: new Uint8Array(4),
    });
    answers.push(ethernet({ destination: frame.slice(6, 12), source: macOf(target) }, packet));
  };
  const log = (line: string) => void said.push(line);
  const controller = new Controller(
    {
      tables,
      slots: SLOTS,
      seed: SEED,
      mac: OWN_MAC,
      tarpitKey: TARPIT_KEY,
      ownAddresses: () => [],
      sourceV6: () => undefined,
      servers,
      interfaceName: 'eth0',
      send,
      log,
      vipsChanged: () => void counts.vipsChanged++,
      tunnelsChanged: (areUsed) => void said.push(`tunnels ${areUsed}`),
      far: {
        token: 7,
        source: (family) => (family === 4 ? ip('10.7.255.1') : undefined),
        interfaceMtu: () => 1500,
        way: () => ({ nextHop: addressOf(99), mtu: undefined }),
      },
      role: 'master',
      ...more,
    },
    first,
  );
  let nowMs = 1000;
  const hear = () => {
    for (const answer of answers.splice(0)) controller.received(answer);
  };
  /** Turns until nothing is left to do; how many. */
  const work = () => {
    let turns = 0;
    do {
      hear();
      controller.turn(nowMs);
      turns++;
    } while (controller.isBusy || answers.length > 0);
    return turns;
  };
  const pass = (ms: number) => {
    for (const end = nowMs + ms; nowMs < end; nowMs += 50) {
      controller.turn(nowMs);
      hear();
    }
    work();
  };
  const configure = (next: Configuration, to = listen) => {
    controller.configure(next, to, nowMs);
    return work();
  };
  configure(first);
  if (!waits) controller.open(nowMs);
  work();
  const serviceOf = (index: number) => {
    const found = controller.services.find((service) => service.index === index);
    if (!found) throw new Error(`no service ${index}`);
    return found;
  };
  return {
    tables: memory,
    controller,
    servers,
    silent,
    said,
    sent,
    writes,
    counts,
    pass,
    work,
    configure,
    serviceOf,
    /** Of the table of LISTEN: slots by real. */
    shares: () => serviceOf(0).shares(),
    stateOf: (row: number) => {
      const service = serviceOf(0);
      const member = service.members.find(({ slot }) => slot === row);
      return member && controller.stateOf(service, member);
    },
    now: () => nowMs,
  };
}
