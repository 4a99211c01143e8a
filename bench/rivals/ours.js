/** Pen as it stands in a checkout, one competitor an engine that the build has and this system can run. */
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';

/**
 * @param {string} root the checkout
 * @param {string} [suffix] tells it from the checkout that is measured
 * @returns {Promise<import('./rivals.js').Competitor[]>}
 */
export async function engines(root, suffix = '') {
  const pen = join(root, 'bin/pen');
  /** @type {typeof import('../../src/engine/choose.js')} */
  const choose = await import(pathToFileURL(join(root, 'dist/src/engine/choose.js')).href);
  // A build from before worker threads does not know the word, and has one.
  const threads = accepts(pen, 'threads 1') ? ['-O', 'threads 1'] : [];
  const competitors = [];
  for (const engine of choose.AVAILABLE_ENGINES) {
    try {
      await choose.chooseEngine(engine);
    } catch (error) {
      console.error(`without ${engine}${suffix}: ${/** @type {Error} */ (error).message}`);
      continue;
    }
    competitors.push({
      id: engine + suffix,
      label: `Pen, ${engine}${suffix}`,
      kind: /** @type {'ours' | 'before'} */ (suffix === '' ? 'ours' : 'before'),
      version: spawnSync(process.execPath, [pen, '--version'], { encoding: 'utf8' }).stdout.trim(),
      command: (/** @type {import('./rivals.js').Setup} */ setup) => ({
        file: process.execPath,
        args: [
          ...(setup.nodeFlags ?? []),
          ...[pen, '-f', '-O', engine, ...threads],
          ...(setup.udp ? ['-U'] : []),
          ...[...(setup.tracks ? [] : ['-r']), '-c', String(setup.clients), '-x', String(setup.connections)],
          ...(setup.certificate ? ['-E', setup.certificate] : []),
          ...(setup.suite ? ['-O', `ssl_ciphers ${setup.suite}`] : []),
          ...[`127.0.0.1:${setup.port}`, ...setup.servers],
        ],
      }),
    });
  }
  return competitors;
}

/**
 * @param {string} pen
 * @param {string} command
 */
function accepts(pen, command) {
  const args = [pen, '--check', '-O', command, '127.0.0.1:1', '127.0.0.1:2'];
  return spawnSync(process.execPath, args, { stdio: 'ignore' }).status === 0;
}
