/** docs/penctl-commands.md, made from the table of commands. */
import type { Command, Section } from './command.js';
import { commands } from './language.js';

const sections: readonly Section[] = [
  'Choosing a server',
  'Servers',
  'Clients and ACLs',
  'Connections',
  'UDP',
  'Looking',
  'Running',
  'Files',
  'TLS',
  'Later',
];

const introduction = `# Commands

<!-- Made by scripts/penctl-reference.js from src/control/language.ts; do not edit. -->

The language of \`penctl\`, of \`-O\` and of configuration files: one command a line; \`#\` at the head of a word starts a
comment. \`[X]\` may be left out; asking without it changes nothing. What is wrong is answered by a line that begins with
\`error:\` (\`include\`: a line for each problem of the file), and nothing is changed; a word that is no command by C Pen's
\`do_cmd: ignoring command starting with 'WORD'\`, with status 0, as scripts know it (over HTTP it is 404). A file name is the
rest of the line, blanks included.

**new** marks words that C Pen does not know. **not over TCP** marks commands that name files (where only their argument does,
asking works over TCP too).
`;

/** The page, ending with a newline. */
export function referencePage(): string {
  return `${introduction}\n${sections.map(sectionText).join('\n')}`;
}

function sectionText(section: Section): string {
  const rows = commands.filter((command) => command.section === section).sort(byWord);
  const lines = rows.map((command) => `| \`${cell(command.usage)}\` | ${cell(description(command))} |`);
  return `## ${section}\n\n| command | what it does |\n|---|---|\n${lines.join('\n')}\n`;
}

/** `no hash` stands below `hash`. */
function byWord(a: Command, b: Command): number {
  const key = ({ name }: Command) => `${name.replace(/^no /, '')} ${name.startsWith('no ') ? 1 : 0}`;
  return key(a) < key(b) ? -1 : 1;
}

function description(command: Command): string {
  const ranges = command.arguments.flatMap(({ range }) => range ?? []);
  const marks = [
    ...(command.isNew ? ['**new**'] : []),
    ...(command.arguments.some((argument) => argument.isFile) ? ['**not over TCP**'] : []),
  ];
  return [command.help, ...ranges, ...marks].join('; ');
}

function cell(text: string): string {
  return text.replaceAll('|', '\\|');
}
