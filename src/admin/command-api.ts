/**
 * The table of commands over HTTP. A command is a POST whose arguments are the words that penctl would be given; what has
 * `--json` can also be read by GET. Nothing here knows any command by name.
 */
import type { Command } from '../control/command.js';
import { commands } from '../control/language.js';
import { MAX_BODY_BYTES } from './body.js';
import { Refusal } from './refusal.js';

/** `no drain` is `no-drain` in a path. */
export function pathName(command: Command): string {
  return command.name.replaceAll(' ', '-');
}

/** Commands that a page can give; those of later are refused by themselves. */
export const apiCommands: readonly Command[] = commands.filter(({ section }) => section !== 'Later');

export function hasJson(command: Command): boolean {
  return command.arguments.some((argument) => argument.isJson);
}

/** Can be read by GET: has JSON and changes nothing, or nothing as long as it is given no word. */
export function isReadable(command: Command): boolean {
  return hasJson(command) && (command.section === 'Looking' || doesThings(command));
}

/** The line for a GET. Throws Refusal for words that would do something. */
export function readingLine(command: Command, words: readonly string[]): string {
  if (words.length > 0 && doesThings(command))
    throw new Refusal(400, `by GET there is only something to see (POST /api/v1/commands/${pathName(command)})`);
  return `${commandLine(command, words)} --json`;
}

function doesThings(command: Command): boolean {
  return command.arguments.some((argument) => argument.isDeed);
}

export function commandOfPath(name: string): Command | undefined {
  return apiCommands.find((command) => pathName(command) === name);
}

/** The line of penctl's language. Throws Refusal if the words are no words. */
export function commandLine(command: Command, words: unknown): string {
  if (!Array.isArray(words)) throw new Refusal(400, 'expected "arguments", a list of words');
  const texts = words.map((word) => {
    if (typeof word !== 'string' && typeof word !== 'number')
      throw new Refusal(400, 'an argument is a word or a number');
    const text = String(word);
    // A word with a blank would be two, one with # would hide the rest.
    if (!/^[^\s\p{Cc}#][^\s\p{Cc}]*$/u.test(text)) throw new Refusal(400, 'an argument is one word');
    return text;
  });
  const line = [command.name, ...texts].join(' ');
  if (line.length > MAX_BODY_BYTES) throw new Refusal(413, 'the command is too long');
  return line;
}

/** The JSON that a reply becomes: `data` where the command speaks JSON, else `reply`. Throws Refusal for an error reply. */
export function answerOf(reply: string, isData: boolean): string {
  return isData ? `{"data":${dataOf(reply).trimEnd()}}\n` : `${JSON.stringify({ reply: dataOf(reply) })}\n`;
}

/** The reply as it is, which is JSON where `--json` was asked for. Throws Refusal for an error reply. */
export function dataOf(reply: string): string {
  if (reply.startsWith('error: ')) throw new Refusal(400, reply.replaceAll(/^error: /gm, '').trimEnd());
  return reply;
}
