/** What penlog, penlogd and mergelogs have in common: help, version, and how they give up. */
import { lineOf, statusOf } from './errors.js';
import { parseShortOptions, type ShortOptions } from './short-options.js';
import { heedOutput } from './standard-output.js';
import { version } from './version.js';

export interface SmallProgram {
  readonly name: string;
  readonly usage: string;
  /** As for getopt(3). */
  readonly flags: string;
  /** It is there for more than its standard output. */
  readonly serves?: boolean;
  run(options: ShortOptions): Promise<void>;
}

/** Runs it; a failure is one line and an exit status (2 for wrong usage, else 1). */
export async function runSmallProgram(program: SmallProgram, argv: readonly string[]): Promise<void> {
  try {
    const options = parseShortOptions(argv, program.flags);
    heedOutput(program.name, program.serves && options.asked === undefined ? 'go on' : 'end');
    if (options.asked === 'help') process.stdout.write(program.usage);
    else if (options.asked === 'version') process.stdout.write(`${program.name} ${version()}\n`);
    else await program.run(options);
  } catch (failure) {
    process.stderr.write(`${program.name}: ${lineOf(failure)}\n`);
    process.exit(statusOf(failure));
  }
}
