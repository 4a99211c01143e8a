/** Why a program of ours gives up before it has done its work: a line for the user and an exit status. */
import { ConfigurationError } from '../control/errors.js';

/** What was typed is wrong; exit status 2. */
export class UsageError extends Error {
  readonly code = 'ERR_PEN_USAGE';
  readonly status = 2;
}

/** What was typed is fine, but it cannot be done here and now; exit status 1. */
export class StartError extends Error {
  readonly code = 'ERR_PEN_START';
  readonly status = 1;
}

/** Exit status for whatever was thrown. */
export function statusOf(failure: unknown): number {
  return failure instanceof UsageError ? failure.status : 1;
}

/** The one line that is shown for whatever was thrown. */
export function lineOf(failure: unknown): string {
  const text = failure instanceof Error ? failure.message : String(failure);
  return text.replaceAll(/\s*\n\s*/g, '; ');
}

/** The same where a command line or file was refused: a line for each thing that is wrong with it. */
export function linesOf(failure: unknown): readonly string[] {
  const refused = failure instanceof UsageError ? failure.cause : failure;
  return refused instanceof ConfigurationError ? refused.lines.map(lineOf) : [lineOf(failure)];
}
