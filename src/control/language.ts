/**
 * The penctl language: the one table of commands. The parser, `help` and docs/penctl-commands.md are read
 * from it, and nothing else knows which commands there are.
 */
import type { Argument, Origin } from './argument.js';
import { optional } from './argument.js';
import { action, type Call, type Command } from './command.js';
import { aclCommands } from './commands/acls.js';
import { adminCommands } from './commands/admin.js';
import { connectionCommands } from './commands/connections.js';
import { dsrCommands } from './commands/dsr.js';
import { fileCommands } from './commands/files.js';
import { httpCommands } from './commands/http.js';
import { laterCommands } from './commands/later.js';
import { lookingCommands } from './commands/looking.js';
import { networkCommands } from './commands/network.js';
import { numberCommands } from './commands/numbers.js';
import { processCommands } from './commands/process.js';
import { serverCommands } from './commands/servers.js';
import { switchCommands } from './commands/switches.js';
import { tlsCommands } from './commands/tls.js';
import { transparentCommands } from './commands/transparent.js';
import { udpCommands } from './commands/udp.js';
import { vipCommands } from './commands/vips.js';
import { CommandError, quoted } from './errors.js';
import { Words } from './words.js';

const commandName: Argument<string> = { usage: 'COMMAND', take: (words) => words.rest() };

const help = action({
  name: 'help',
  arguments: [optional(commandName)],
  section: 'Looking',
  help: 'the commands, or what one of them does',
  isNew: true,
  run(_, name) {
    return name === undefined ? helpList() : helpOn(name);
  },
});

export const commands: readonly Command[] = [
  ...serverCommands,
  ...switchCommands,
  ...numberCommands,
  ...aclCommands,
  ...connectionCommands,
  ...udpCommands,
  ...httpCommands,
  ...networkCommands,
  ...transparentCommands,
  ...dsrCommands,
  ...vipCommands,
  ...fileCommands,
  ...tlsCommands,
  ...adminCommands,
  ...lookingCommands,
  ...processCommands,
  help,
  ...laterCommands,
];

const byName = new Map(commands.map((command) => [command.name, command]));

/** A command with its arguments; `name` is for messages. */
export interface Parsed {
  readonly name: string;
  readonly call: Call;
}

/** Parses one line, undefined if it says nothing. Throws CommandError, whose message begins with the command's name. */
export function parseLine(line: string, origin: Origin): Parsed | undefined {
  const text = line.replace(/[\r\n]+$/, '');
  if (/\p{Cc}/u.test(text.replaceAll('\t', ' '))) throw new CommandError('the command contains a control character');
  const words = new Words(text);
  const first = words.next();
  if (first === undefined) return undefined;
  const command = first === 'no' ? negated(words) : byName.get(first);
  if (!command) {
    const reply = `do_cmd: ignoring command starting with '${first}'\n`;
    throw new CommandError(`unknown command ${quoted(first)} (see penctl help)`, { reply });
  }
  return { name: command.name, call: withName(command.name, () => parseArguments(command, words, origin)) };
}

/** Runs `body`; what it throws names the command. */
function withName<T>(name: string, body: () => T): T {
  try {
    return body();
  } catch (error) {
    throw named(name, error);
  }
}

/** The same error with the command's name before its message. */
export function named(name: string, error: unknown): CommandError {
  if (!(error instanceof CommandError)) throw error;
  const { message, reply, isFromOutside, cause } = error;
  return new CommandError(`${name}: ${message}`, { reply, isFromOutside, cause });
}

function parseArguments(command: Command, words: Words, origin: Origin): Call {
  const call = command.parse(words, origin);
  if (!words.isEmpty) throw new CommandError(`unexpected ${quoted(words.peek())} (usage: ${command.usage})`);
  return call;
}

function negated(words: Words): Command {
  const word = words.next();
  if (word === undefined) throw new CommandError('no: expected what to turn off');
  const command = byName.get(`no ${word}`);
  if (!command) throw new CommandError(`no ${quoted(word)}: unknown command (see penctl help)`);
  return command;
}

function helpList(): string {
  const shown = commands.filter((command) => command.section !== 'Later');
  return shown.map((command) => `${command.usage}\n`).join('');
}

function helpOn(name: string): string {
  const found = commands.filter((command) => command.name === name || command.name === `no ${name}`);
  if (found.length === 0) throw new CommandError(`unknown command ${quoted(name)}`);
  return found.map((command) => `${command.usage}\n    ${command.help}\n`).join('');
}
