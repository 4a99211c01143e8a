// Writes docs/openapi.json from the compiled table of commands: `node scripts/openapi.js`.
// PEN_BUILD names another build folder than dist.
import { writeFileSync } from 'node:fs';
import { pathToFileURL } from 'node:url';

if (process.argv.includes('--help')) {
  console.log('usage: node scripts/openapi.js  (after npm run build; writes docs/openapi.json)');
  process.exit(0);
}
const build = process.env.PEN_BUILD ? pathToFileURL(`${process.env.PEN_BUILD}/`) : new URL('../dist/', import.meta.url);
const { openApiDocument } = await import(new URL('src/admin/openapi.js', build));
writeFileSync(new URL('../docs/openapi.json', import.meta.url), `${JSON.stringify(openApiDocument(), null, 2)}\n`);
