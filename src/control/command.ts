/**
 * What a command is: a name, arguments, a line of help and a handler. A `setting` works on a Draft and is
 * undone by dropping it; an `action` acts on the running Service, and one of the section Looking changes nothing, so that
 * it need not wait for others.
 */
import type { Argument, Origin, Values } from './argument.js';
import type { Draft } from './draft.js';
import { collected } from './piecemeal.js';
import type { Service } from './service.js';
import type { Words } from './words.js';

/** Nothing, or the exact reply with its newlines. */
export type Reply = string | undefined;

/** The reply of `--json`: one line, so that a file of replies is a file of JSON lines. */
export function jsonReply(value: unknown): string {
  return `${JSON.stringify(value)}\n`;
}

/** The same for a list that may be long, as text without the newline. */
export async function jsonList(values: Iterable<unknown>): Promise<string> {
  return `[${(await collected(texts(values))).join()}]`;
}

function* texts(values: Iterable<unknown>): Generator<string> {
  for (const value of values) yield JSON.stringify(value);
}

export interface ActionContext {
  readonly service: Service;
  readonly origin: Origin;
}

export interface SettingContext extends ActionContext {
  readonly draft: Draft;
}

export type Section =
  | 'Choosing a server'
  | 'Servers'
  | 'Clients and ACLs'
  | 'Connections'
  | 'UDP'
  | 'Looking'
  | 'Running'
  | 'Files'
  | 'TLS'
  | 'Later';

/** A parsed command, ready to be run. */
export type Call =
  | { readonly kind: 'setting'; run(context: SettingContext): Reply | Promise<Reply> }
  | { readonly kind: 'action' | 'look'; run(context: ActionContext): Reply | Promise<Reply> }
  | { readonly kind: 'include'; readonly file: string };

export interface Command {
  /** One word, or two beginning with `no`. */
  readonly name: string;
  readonly usage: string;
  readonly help: string;
  readonly section: Section;
  readonly arguments: readonly Argument<unknown>[];
  /** Whether it is a word of ours that C Pen does not know. */
  readonly isNew: boolean;
  parse(words: Words, origin: Origin): Call;
}

export interface Definition<A extends readonly Argument<unknown>[], C> {
  readonly name: string;
  readonly arguments?: readonly [...A];
  readonly section: Section;
  readonly help: string;
  readonly isNew?: boolean;
  run(context: C, ...values: Values<A>): Reply | Promise<Reply>;
}

export function setting<A extends readonly Argument<unknown>[]>(definition: Definition<A, SettingContext>): Command {
  return describe(definition, (values) => ({
    kind: 'setting',
    run: (context) => definition.run(context, ...values),
  }));
}

export function action<A extends readonly Argument<unknown>[]>(definition: Definition<A, ActionContext>): Command {
  return describe(definition, (values) => ({
    kind: definition.section === 'Looking' ? 'look' : 'action',
    run: (context: ActionContext) => definition.run(context, ...values),
  }));
}

/** `include` is neither: a file brings its own commands. */
export function inclusion(definition: Omit<Definition<[Argument<string>], never>, 'run'>): Command {
  return describe(definition, ([file]) => ({ kind: 'include', file }));
}

function describe<A extends readonly Argument<unknown>[]>(
  definition: Omit<Definition<A, never>, 'run'>,
  call: (values: Values<A>) => Call,
): Command {
  const { name, section, help, isNew = false } = definition;
  const list: readonly Argument<unknown>[] = definition.arguments ?? [];
  return {
    name,
    section,
    help,
    isNew,
    arguments: list,
    usage: [name, ...list.map((argument) => argument.usage)].join(' ').trim(),
    parse: (words, origin) => call(list.map((argument) => argument.take(words, origin)) as Values<A>),
  };
}
