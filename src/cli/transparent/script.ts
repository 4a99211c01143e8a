/** `pen transparent-setup --print`: what `--apply` does, as a script for a shell. */
import { ipfwRules, pfLines } from './bsd-rules.js';
import { iptablesText, nftText, routeWords, ruleWords } from './linux-rules.js';
import type { Family, TransparentSetup } from './setup.js';

/** What a system has to be set up with. */
export type Means = 'nft' | 'iptables' | 'ipfw' | 'pf';

export function setupScript(setup: TransparentSetup, means: Means, families: readonly Family[]): string {
  switch (means) {
    case 'nft':
      return lines(fed('nft -f -', nftText(setup)), ...routing(setup, families));
    case 'iptables':
      return lines(
        ...families.map((family) =>
          fed(`${family === 4 ? 'iptables' : 'ip6tables'}-restore --noflush`, iptablesText(setup, false)),
        ),
        ...routing(setup, families),
      );
    case 'ipfw':
      return lines(...ipfwRules(setup).map((words) => `ipfw ${words.join(' ')}`));
    case 'pf':
      return lines('# For /etc/pf.conf; pen changes nothing there.', ...pfLines(setup));
  }
}

function routing(setup: TransparentSetup, families: readonly Family[]): string[] {
  const words = families.flatMap((family) => [routeWords(setup, family), ruleWords(setup, family)]);
  return words.map((some) => `ip ${some.join(' ')}`);
}

function fed(command: string, text: string): string {
  return `${command} <<'END'\n${text}END`;
}

function lines(...all: string[]): string {
  return `${all.join('\n')}\n`;
}
