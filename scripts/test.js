// Runs the compiled tests with node's own runner: `npm test [-- NAME...]`, `npm run interop`, `npm run browser`, ...
// Unit tests sit beside their source, scenarios of the running program in test/; those that need real programs
// from the system's packages (test/interop), a browser (test/browser), networks of their own (test/netns) or their time
// (test/soak) run only when asked for.
import { readdirSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { run } from 'node:test';
import { spec } from 'node:test/reporters';
import { fileURLToPath } from 'node:url';

const dist = fileURLToPath(new URL('../dist/', import.meta.url));
const args = process.argv.slice(2);
const apart = ['browser', 'interop', 'netns', 'soak'];
const area = apart.find((name) => args.includes(`--${name}`));
const names = args.filter((arg) => !arg.startsWith('--'));

const files = readdirSync(dist, { recursive: true })
  .map((file) => String(file).replaceAll('\\', '/'))
  .filter((file) => file.endsWith('.test.js'))
  .filter((file) => apart.find((name) => file.startsWith(`test/${name}/`)) === area)
  .filter((file) => names.length === 0 || names.some((name) => file.includes(name)))
  .sort();
if (files.length === 0) {
  console.error(`no test file matches ${names.join(' ')} (run "npm run build" first)`);
  process.exit(1);
}

// Where everything can be run, a test that was skipped has not been run by mistake.
const noSkips = process.env.PEN_TEST_NO_SKIPS === '1';
let failed = false;
run({
  files: files.map((file) => dist + file),
  // The runner alone would leave cores idle, though most tests wait for something most of the time.
  concurrency: area === undefined ? availableParallelism() + 1 : area === 'soak' ? 2 : false,
  timeout: area === 'soak' ? 900_000 : 240_000,
})
  .on('test:fail', () => {
    failed = true;
  })
  .on('test:pass', (test) => {
    if (noSkips && test.skip !== undefined) {
      failed = true;
      process.stderr.write(`skipped where nothing may be: ${test.name} (${test.skip})\n`);
    }
  })
  .compose(spec)
  .on('end', () => {
    process.exitCode = failed ? 1 : 0;
  })
  .pipe(process.stdout);
