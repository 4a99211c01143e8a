/** The name server behind every balancer of the case `dns`. */
import { fileURLToPath } from 'node:url';
import { Program } from './program.js';

/**
 * @param {number} core
 * @returns {Promise<{ port: number, end: () => Promise<void> }>}
 */
export async function startDnsBackend(core) {
  const file = fileURLToPath(new URL('./load/dns-server.js', import.meta.url));
  const program = new Program(process.execPath, [file], { core, ipc: true });
  const { port } = await program.says();
  return { port, end: () => program.end() };
}
