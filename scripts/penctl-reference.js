// Writes docs/penctl-commands.md from the compiled table of commands: `node scripts/penctl-reference.js`.
// PEN_BUILD names another build folder than dist.
import { writeFileSync } from 'node:fs';
import { pathToFileURL } from 'node:url';

if (process.argv.includes('--help')) {
  console.log('usage: node scripts/penctl-reference.js  (after npm run build; writes docs/penctl-commands.md)');
  process.exit(0);
}
const build = process.env.PEN_BUILD ? pathToFileURL(`${process.env.PEN_BUILD}/`) : new URL('../dist/', import.meta.url);
const { referencePage } = await import(new URL('src/control/reference.js', build));
writeFileSync(new URL('../docs/penctl-commands.md', import.meta.url), referencePage());
