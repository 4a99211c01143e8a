/** Commands that name files: for the command line, the configuration file and the Unix socket, not for TCP. */
import { LOG_FORMATS } from '../../core/configuration.js';
import { choice, fileName, optional, requireLocal } from '../argument.js';
import { action, type Command, inclusion, setting } from '../command.js';
import { resolveLogTarget } from '../log-target.js';

export const fileCommands: readonly Command[] = [
  inclusion({
    name: 'include',
    arguments: [fileName('FILE')],
    section: 'Files',
    help: 'do the commands in FILE, all of them or, if one is wrong, none; replies go to the output of pen',
  }),
  action({
    name: 'write',
    arguments: [optional(fileName('FILE'))],
    section: 'Files',
    help: 'write every setting to FILE, or to the file of -F, so that pen -F FILE starts the same',
    async run({ service, origin }, file) {
      requireLocal(origin);
      await service.write(file);
      return undefined;
    },
  }),
  setting({
    name: 'web_stats',
    arguments: [optional(fileName('FILE'))],
    section: 'Files',
    help: 'the file that the status page is written to on USR1 (-w)',
    run({ draft }, file) {
      if (file !== undefined) draft.webStats = file;
      return draft.webStats === undefined ? undefined : `${draft.webStats}\n`;
    },
  }),
  setting({
    name: 'no web_stats',
    section: 'Files',
    help: 'no status page: USR1 writes to the log',
    run({ draft }) {
      draft.webStats = undefined;
      return undefined;
    },
  }),
  setting({
    name: 'log',
    arguments: [optional(fileName('FILE|HOST:PORT'))],
    section: 'Files',
    help: 'log requests and connections to FILE, or to penlogd at HOST:PORT (-l)',
    async run({ draft }, text) {
      const { settings } = draft;
      if (text !== undefined) settings.log = await resolveLogTarget(text, settings.log);
      return settings.log === undefined ? undefined : `${settings.log.text}\n`;
    },
  }),
  setting({
    name: 'no log',
    section: 'Files',
    help: 'log neither requests nor connections',
    run({ draft }) {
      draft.settings.log = undefined;
      return undefined;
    },
  }),
  setting({
    name: 'log_format',
    arguments: [optional(choice(LOG_FORMATS))],
    section: 'Files',
    help: 'how a line of the log looks: as those of C Pen, JSON, or the common log format',
    isNew: true,
    run({ draft }, format) {
      if (format !== undefined) draft.settings.logFormat = format;
      return `${draft.settings.logFormat}\n`;
    },
  }),
];
