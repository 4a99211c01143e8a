/** UDP: whether it is what Pen balances, and what became of datagrams that were not passed on. */
import { action, type Command, type SettingContext, setting } from '../command.js';
import { CommandError } from '../errors.js';

export const udpCommands: readonly Command[] = [
  setting({
    name: 'udp',
    section: 'UDP',
    help: 'balance UDP instead of TCP (-U); chosen at the start',
    isNew: true,
    run: (context) => choose(context, true),
  }),
  setting({
    name: 'no udp',
    section: 'UDP',
    help: 'balance TCP; chosen at the start',
    isNew: true,
    run: (context) => choose(context, false),
  }),
  action({
    name: 'drops',
    section: 'UDP',
    help: 'datagrams that were not passed on since the start, by reason, a line each; none for TCP',
    isNew: true,
    run({ service }) {
      return service.dataPlane
        .drops()
        .map(([reason, count]) => `${reason} ${count}\n`)
        .join('');
    },
  }),
];

function choose({ draft, service }: SettingContext, udp: boolean): undefined {
  if (service.engine !== undefined && draft.settings.udp !== udp) {
    const now = udp ? 'TCP (to change it restart with -U)' : 'UDP (to change it restart without -U)';
    throw new CommandError(`pen balances ${now}`);
  }
  draft.settings.udp = udp;
  return undefined;
}
