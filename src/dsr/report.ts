/** What `penctl dsr` prints: a line each for the interface, the VIPs, the servers, then what became of the frames. */
import { formatIp } from '../core/address.js';
import type { Configuration, ServerSpec } from '../core/configuration.js';
import { formatMac } from '../frame/ethernet.js';
import type { RealSnapshot } from '../proxy/data-plane.js';
import type { Controller } from './controller.js';
import { ABUSE_REAL, type Dimensions, EMERGENCY_REAL, OUTCOME_NAMES } from './layout.js';
import { addressOf } from './reals.js';
import type { ControlTables, PathTables, Traffic } from './tables.js';
import { formatVip } from './vips.js';

export interface Reported {
  readonly interfaceName: string;
  readonly mode: string;
  readonly mac: Uint8Array;
  readonly size: Dimensions;
  readonly tables: ControlTables & Pick<PathTables, 'slotsOf'>;
  readonly controller: Controller;
  readonly configuration: Configuration;
}

export async function describe(reported: Reported): Promise<string> {
  const { interfaceName, mode, mac, size, tables, controller } = reported;
  const flows = await tables.countFlows();
  const lines = [
    `interface ${interfaceName} mode ${mode} mac ${formatMac(mac)} slots ${tables.slotsOf(0)} flows ${flows} of ${size.flows}`,
    ...controller.vips.map((vip) => `vip ${formatVip(vip)} ${traffic(tables.vipTraffic(vip.index))}`),
    ...realsOf(reported).map(realLine),
    ...outcomeLines(tables.outcomes()),
  ];
  return lines.map((line) => `${line}\n`).join('');
}

/** The servers as the frames meet them. */
export function realsOf({ tables, controller, configuration }: Reported): RealSnapshot[] {
  const shares = controller.shares();
  const row = (server: RealSnapshot['server'], real: number, spec: ServerSpec | undefined, state: string) => {
    const address = addressOf(spec?.endpoint);
    if (!address) return [];
    const known = controller.macOf(address);
    const mac = known ? formatMac(known) : '';
    return [{ server, address, mac, state, slots: shares.get(real) ?? 0, ...tables.realTraffic(real) }];
  };
  const { servers, emergency, abuse } = configuration;
  return [
    ...servers.flatMap((spec, slot) => row(slot, slot + 1, spec, controller.stateOf(slot).replace(' ', '-'))),
    ...row('emergency', EMERGENCY_REAL, emergency, controller.spareStateOf(emergency)),
    ...row('abuse', ABUSE_REAL, abuse, controller.spareStateOf(abuse)),
  ];
}

function realLine({ server, address, mac, state, slots, ...counts }: RealSnapshot): string {
  return `real ${server} addr ${formatIp(address)} mac ${mac || 'unknown'} state ${state} slots ${slots} ${traffic(counts)}`;
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
