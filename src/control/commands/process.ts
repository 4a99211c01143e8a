/** The process itself: its number, its status page, its end. */
import { anything, asJson } from '../argument.js';
import { action, type Command, jsonList, setting } from '../command.js';
import { statisticsPage } from '../statistics-page.js';

export const processCommands: readonly Command[] = [
  action({
    name: 'pid',
    section: 'Running',
    help: 'the number of the process that takes the signals',
    run({ service }) {
      return `${service.pid}\n`;
    },
  }),
  action({
    name: 'exit',
    section: 'Running',
    help: 'end pen; only if it was started with -X',
    run({ service }) {
      if (!service.allowExit) return 'Exit is not enabled; restart with -X flag\n';
      service.exitSoon();
      return undefined;
    },
  }),
  action({
    name: 'status',
    arguments: [asJson],
    section: 'Looking',
    help: 'the status page, HTML; with --json the balancer as a whole and its servers',
    async run({ service }, json) {
      if (!json) return statisticsPage(await service.views.statistics());
      const servers = await jsonList(service.views.servers());
      return `${JSON.stringify(service.views.summary()).slice(0, -1)},"servers":${servers}}\n`;
    },
  }),
  ...['block', 'delayed_forward'].flatMap((name) => [
    obsolete(name, `do_cmd: ignoring command starting with '${name}'\n`),
    obsolete(`no ${name}`, undefined),
  ]),
];

/** Words that old configuration files hold; C Pen has had no use for them since 0.26. */
function obsolete(name: string, reply: string | undefined): Command {
  return setting({
    name,
    arguments: [anything('')],
    section: 'Later',
    help: 'obsolete: does nothing',
    run() {
      return reply;
    },
  });
}
