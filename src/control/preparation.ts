/** Command line and file read and checked before anything is started. */
import { Script, type ScriptReply } from './config-file.js';
import { Draft, emptySetup, type Setup } from './draft.js';
import { ConfigurationError } from './errors.js';
import { placeOperands } from './operands.js';
import type { Service } from './service.js';
import type { CommandLine } from './service-options.js';
import { setupProblems } from './setup-problems.js';

export interface Prepared {
  /** What the command line alone says: every reading of the file begins with it. */
  readonly base: Setup;
  /** With what the file says. */
  readonly setup: Setup;
  readonly fileText: string;
  /** To be printed once the data plane runs, which the actions among them need. */
  readonly replies: readonly ScriptReply[];
  /** What both say of the state of servers. */
  readonly state: Pick<Draft, 'blacklists' | 'drains'>;
}

/** Throws ConfigurationError with every problem. */
export async function prepared(commandLine: CommandLine, service: Service): Promise<Prepared> {
  const draft = new Draft(emptySetup);
  const script = new Script();
  await placeOperands(draft, commandLine, script);
  for (const { option, line } of commandLine.commands) await script.addLine(line, option, 'option');
  const replies = await script.apply(draft, service);
  const base = draft.finish();

  const whole = new Draft(base);
  const file = await Script.of(commandLine.file);
  replies.push(...(await file.apply(whole, service)));
  const problems = [...script.problems, ...file.problems];
  if (problems.length === 0 && !whole.listen && whole.vipCount === 0) {
    problems.push({ text: 'nowhere to listen (give LISTEN, or "listen" in the file)', isUsage: true });
  }
  const setup = whole.finish();
  for (const text of setupProblems(setup)) problems.push({ text, isUsage: true });
  if (problems.length > 0) throw new ConfigurationError(problems);
  const state = {
    blacklists: new Map([...draft.blacklists, ...whole.blacklists]),
    drains: new Map([...draft.drains, ...whole.drains]),
  };
  return { base, setup, fileText: file.text, replies, state };
}
