/** Colours for a terminal, and nothing for anything else: NO_COLOR (no-color.org), TERM=dumb and pipes get plain text. */

export type Tone = 'good' | 'bad' | 'warn' | 'quiet' | 'strong';

/** Select Graphic Rendition (ECMA-48, 8.3.117). */
const codes: Record<Tone, string> = { good: '32', bad: '31', warn: '33', quiet: '2', strong: '1' };

export type Paint = (tone: Tone, text: string) => string;

export function paintFor(stream: { readonly isTTY?: boolean }, environment: NodeJS.ProcessEnv): Paint {
  const isPlain = !stream.isTTY || (environment.NO_COLOR ?? '') !== '' || environment.TERM === 'dumb';
  return isPlain ? (_, text) => text : (tone, text) => (text === '' ? '' : `\u001b[${codes[tone]}m${text}\u001b[0m`);
}

/** Text that may go to a terminal: whatever would move its cursor or change its title is a dot. */
export function printable(text: string): string {
  return text.replace(/[^\P{Cc}\n\t]/gu, '.');
}

/** Tone of a server's state. */
export function toneOf(state: string): Tone {
  return state === 'up'
    ? 'good'
    : state === 'blacklisted' || state === 'silent'
      ? 'bad'
      : state === 'empty'
        ? 'quiet'
        : 'warn';
}
