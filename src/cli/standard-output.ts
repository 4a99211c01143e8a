/**
 * Standard output that is full, or that nobody reads any more (`| head`). Node ends a program with a stack trace for either
 * unless somebody listens.
 */

/** `end`: for what is only there to write, with one line and status 1, or quietly where the reader has gone. `go on`: for what serves. */
export function heedOutput(program: string, what: 'end' | 'go on'): void {
  process.stdout.on('error', (error: NodeJS.ErrnoException) => {
    if (what === 'go on') return;
    if (error.code !== 'EPIPE') {
      process.stderr.write(`${program}: cannot write to standard output: ${error.code ?? error.message}\n`);
    }
    process.exit(1);
  });
}
