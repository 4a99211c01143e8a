/** Answers every request with the file that it is started with, at once: what megabytes cost whoever sends them. */
import { readFileSync } from 'node:fs';
import { createServer } from 'node:http';

const text = readFileSync(process.argv[2]);
const server = createServer((_, response) => response.writeHead(200, { 'content-length': text.length }).end(text));
server.listen(0, '127.0.0.1', () => {
  const { port } = /** @type {import('node:net').AddressInfo} */ (server.address());
  process.send?.({ port });
});
