/** What `penctl dsr` prints: a line each for the interface, the VIPs, the servers, then what became of the frames. */
import { setImmediate } from 'node:timers/promises';
import { formatIp } from '../core/address.js';
import type { Configuration, ServerSpec } from '../core/configuration.js';
import { formatMac } from '../frame/ethernet.js';
import type { RealSnapshot, VipSnapshot } from '../proxy/data-plane.js';
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

/** A VIP, each with its servers behind it; the two servers that stand outside the tables come last. */
export async function describe(reported: Reported): Promise<string> {
  const { interfaceName, mode, mac, size, tables, controller } = reported;
  const flows = await tables.countFlows();
  const lines = [`interface ${interfaceName} mode ${mode} mac ${formatMac(mac)} flows ${flows} of ${size.flows}`];
  for (const [i, service] of controller.services.entries()) {
    // Hundreds of services have tens of thousands of servers: others come in between.
    if (i % SERVICES_AT_ONCE === SERVICES_AT_ONCE - 1) await setImmediate();
    lines.push(vipLine(vipOf(controller, service)), ...realLines(reported, service));
  }
  lines.push(...spares(reported).map(realLine), ...outcomeLines(tables.outcomes()));
  return lines.map((line) => `${line}\n`).join('');
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

/** Servers of the table by their rows, others by their VIP and address. */
function realLines(reported: Reported, service: Service): string[] {
  const name = formatService(service.vip);
  const rows = membersOf(reported, service).sort((a, b) => a.slot - b.slot);
  return rows.map(({ slot, ...rest }) => realLine({ server: slot < 0 ? name : slot, ...rest }));
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

/** `tx flow 12 new 3 ...`: a line for each verdict, its reasons in the order of the layout. */
function outcomeLines(counts: readonly number[]): string[] {
  return ['pass', 'tx', 'drop'].map((verdict) => {
    const reasons = OUTCOME_NAMES.flatMap((name, outcome) => {
      if (!name.startsWith(verdict)) return [];
      const reason = name.slice(verdict.length);
      return [`${reason[0].toLowerCase()}${reason.slice(1)} ${counts[outcome]}`];
    });
    return `${verdict} ${reasons.join(' ')}`;
  });
}
