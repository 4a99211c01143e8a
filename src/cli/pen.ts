/** `pen`, the program: reads the command line and does what it asks. */
import { connectToParent, runInBackground } from './background.js';
import { linesOf, statusOf } from './errors.js';
import { helpText } from './help.js';
import { parseOptions } from './options.js';
import { heedOutput } from './standard-output.js';
import { version } from './version.js';

/** Runs the program; returns once it serves, or sits in the background, or has done what was asked. */
export async function main(argv: readonly string[]): Promise<void> {
  const parent = connectToParent();
  try {
    if (argv[0] === 'transparent-setup') {
      const { transparentSetup } = await import('./transparent/main.js');
      heedOutput('pen', 'end');
      const { text, status } = await transparentSetup(argv.slice(1));
      process.stdout.write(text);
      process.exitCode = status;
      return;
    }
    const options = parseOptions(argv, { isRoot: process.getuid?.() === 0, platform: process.platform });
    heedOutput('pen', options.action === 'serve' ? 'go on' : 'end');
    if (options.action === 'help') {
      process.stdout.write(helpText());
    } else if (options.action === 'version') {
      process.stdout.write(`pen ${version()}\n`);
    } else {
      // The background process's own parent has shown them already.
      if (!parent) options.warnings.forEach(complain);
      if (options.action === 'serve' && !options.foreground && !parent) {
        process.exitCode = await runInBackground(argv);
        return;
      }
      // Loaded here, as whoever only starts the background process has no use for it.
      const { check, serve } = await import('./serve.js');
      if (options.action === 'check') process.stdout.write(`${await check(options)}\n`);
      else await serve(options, parent);
    }
  } catch (failure) {
    linesOf(failure).forEach(complain);
    // Not exitCode: what a failed start has left open must not keep us alive.
    process.exit(statusOf(failure));
  }
}

function complain(line: string): void {
  process.stderr.write(`pen: ${line}\n`);
}
