import { spawnSync } from 'node:child_process';

/**
 * The version of a Debian package; empty if it is not installed.
 * @param {string} name
 */
export function packageVersion(name) {
  const { stdout } = spawnSync('dpkg-query', ['-W', '-f', `\${db:Status-Status} \${Version}`, name], {
    encoding: 'utf8',
  });
  const [status, version] = (stdout ?? '').split(' ');
  return status === 'installed' ? version : '';
}
