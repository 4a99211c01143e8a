/** What `penctl dsr` shows, as values and as a line each: the interface, VIPs, servers, then what became of the frames. */
import { setImmediate } from 'node:timers/promises';
import { formatIp } from '../core/address.js';
import type { Configuration, ServerSpec } from '../core/configuration.js';
import { formatMac } from '../frame/ethernet.js';
import type { FrameSnapshot, RealSnapshot, ServiceSnapshot, VipSnapshot } from '../proxy/data-plane.js';
import type { Controller } from './controller.js';
import { ABUSE_REAL, type Dimensions, EMERGENCY_REAL, OUTCOME_NAMES } from './layout.js';
import type { Service } from './service.js';
import { formatService, targetOf } from './services.js';
import type { ControlTables, Traffic } from './tables.js';

const SERVICES_AT_ONCE = 16;

export interface Reported {
  readonly interfaceName: string;
  readonly mode: string;
  readonly mac: Uint8Array;
  readonly size: Dimensions;
  readonly tables: ControlTables;
  readonly controller: Controller;
  readonly configuration: Configuration;
}

/** All of it. */
export async function look(reported: Reported, path: readonly string[]): Promise<FrameSnapshot> {
  const { interfaceName, mode, mac, size, tables, controller } = reported;
  const flows = await tables.countFlows();
  const services = await inTurns(controller.services, (service): ServiceSnapshot => {
    const rows = membersOf(reported, service).sort((a, b) => a.slot - b.slot);
    const reals = rows.map(({ slot, ...rest }) => ({ server: slot < 0 ? undefined : slot, ...rest }));
    return { ...vipOf(controller, service), reals };
  });
  return {
    interfaceName,
    mode,
    mac: formatMac(mac),
    role: controller.role,
    flows,
    flowsMax: size.flows,
    services,
    spares: spares(reported),
    outcomes: outcomesOf(tables.outcomes()),
    path,
  };
}

/** A VIP, each with its servers behind it; the two servers that stand outside the tables come last. */
export async function describe(snapshot: FrameSnapshot): Promise<string> {
  const { interfaceName, mode, mac, role, flows, flowsMax, services, spares, outcomes, path } = snapshot;
  const blocks = await inTurns(services, ({ reals, ...vip }) =>
    // Servers of the table by their rows, others by their VIP and address.
    [vipLine(vip), ...reals.map((real) => realLine({ ...real, server: real.server ?? vip.vip }))].join('\n'),
  );
  const lines = [
    `interface ${interfaceName} mode ${mode} mac ${mac} flows ${flows} of ${flowsMax}`,
    ...blocks,
    ...spares.map(realLine),
    ...Object.entries(outcomes).map(([verdict, counts]) => outcomeLine(verdict, counts)),
    `role ${role}`,
    ...path,
  ];
  return lines.map((line) => `${line}\n`).join('');
}

/** Hundreds of services have tens of thousands of servers: others come in between. */
async function inTurns<T, R>(services: readonly T[], rowOf: (service: T) => R): Promise<R[]> {
  const rows: R[] = [];
  for (const [i, service] of services.entries()) {
    if (i % SERVICES_AT_ONCE === SERVICES_AT_ONCE - 1) await setImmediate();
    rows.push(rowOf(service));
  }
  return rows;
}

/** The servers of the table, and the two outside it, as the frames meet them. */
export function realsOf(reported: Reported): RealSnapshot[] {
  const { listen } = reported.controller;
  const rows = listen ? membersOf(reported, listen).map(({ slot, ...rest }) => ({ server: slot, ...rest })) : [];
  return [...rows.sort((a, b) => a.server - b.server), ...spares(reported)];
}

/** The services as the frames meet them. */
export function vipsOf({ controller }: Reported): VipSnapshot[] {
  return controller.services.map((service) => vipOf(controller, service));
}

/** Who has a number: `server 1 10.0.0.2 02:00:00:00:00:02`, without a row if it is in none. */
export function realName({ controller, configuration }: Reported, real: number): string {
  const { emergency, abuse } = configuration;
  const spare = real === EMERGENCY_REAL ? emergency : real === ABUSE_REAL ? abuse : undefined;
  const member = controller.memberOf(real);
  const target = spare ? targetOf(spare) : member;
  const mac = target && controller.macOf(target);
  const tunnel = target ? controller.tunnelOf(target) : '';
  const way = tunnel === '' ? '' : ` ${tunnel}`;
  const row = member && member.slot >= 0 ? ` ${member.slot}` : '';
  const name = spare === undefined ? `server${row}` : spare === emergency ? 'emergency server' : 'abuse server';
  return `${name} ${target ? formatIp(target.address) : '?'}${way} ${mac ? formatMac(mac) : '?'}`;
}

function vipOf(controller: Controller, service: Service): VipSnapshot {
  const { vip, slots, members } = service;
  const inService = members.filter((member) => controller.stateOf(service, member) === 'in-service').length;
  return { vip: formatService(vip), servers: members.length, inService, slots, ...controller.trafficOfVip(service) };
}

function membersOf({ controller }: Reported, service: Service) {
  const shares = service.shares();
  return service.members.map((member) => {
    const { slot, address, real } = member;
    const known = controller.macOf(member);
    const mac = known ? formatMac(known) : '';
    const state = controller.stateOf(service, member);
    const tunnel = controller.tunnelOf(member);
    return { slot, address, mac, tunnel, state, slots: shares.get(real) ?? 0, ...controller.trafficOf(real) };
  });
}

function spares({ tables, controller, configuration }: Reported): RealSnapshot[] {
  const row = (server: 'emergency' | 'abuse', real: number, spec: ServerSpec | undefined) => {
    const target = targetOf(spec);
    if (!target) return [];
    const { address } = target;
    const known = controller.macOf(target);
    const mac = known ? formatMac(known) : '';
    const slots = controller.services.reduce((sum, service) => sum + (service.shares().get(real) ?? 0), 0);
    const tunnel = controller.tunnelOf(target);
    return [{ server, address, mac, tunnel, state: controller.spareStateOf(spec), slots, ...tables.realTraffic(real) }];
  };
  const { emergency, abuse } = configuration;
  return [...row('emergency', EMERGENCY_REAL, emergency), ...row('abuse', ABUSE_REAL, abuse)];
}

function vipLine({ vip, servers, inService, slots, ...counts }: VipSnapshot): string {
  return `vip ${vip} servers ${servers} in-service ${inService} slots ${slots} ${traffic(counts)}`;
}

function realLine({
  server,
  address,
  mac,
  tunnel,
  state,
  slots,
  ...counts
}: Omit<RealSnapshot, 'server'> & { server: number | string }): string {
  const way = tunnel === '' ? '' : ` ${tunnel}`;
  return `real ${server} addr ${formatIp(address)}${way} mac ${mac || 'unknown'} state ${state} slots ${slots} ${traffic(counts)}`;
}

function traffic({ packets, bytes, flows }: Traffic): string {
  return `packets ${packets} bytes ${bytes} flows ${flows}`;
}

/** By verdict, the reasons of each in the order of the layout. */
function outcomesOf(counts: readonly number[]): FrameSnapshot['outcomes'] {
  const of = (verdict: string) =>
    Object.fromEntries(
      OUTCOME_NAMES.flatMap((name, outcome) => {
        if (!name.startsWith(verdict)) return [];
        const reason = name.slice(verdict.length);
        return [[`${reason[0].toLowerCase()}${reason.slice(1)}`, counts[outcome]]];
      }),
    );
  return { pass: of('pass'), tx: of('tx'), drop: of('drop') };
}

/** `tx flow 12 new 3 ...` */
function outcomeLine(verdict: string, counts: Readonly<Record<string, number>>): string {
  return `${verdict} ${Object.entries(counts).flat().join(' ')}`;
}
