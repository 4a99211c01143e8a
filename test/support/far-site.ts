/** A web server that gives and takes as many bytes as it is asked to; `far-bed.ts` says how. */
import { createHash } from 'node:crypto';
import { createServer } from 'node:http';

const name = process.argv[2];

createServer((request, response) => {
  if (request.method !== 'PUT') {
    const bytes = Number(request.url?.slice(1));
    response.end(bytes > 0 ? Buffer.alloc(bytes, 'x') : `${name}\n`);
    return;
  }
  const hash = createHash('sha256');
  let bytes = 0;
  request.on('data', (chunk: Buffer) => {
    bytes += chunk.length;
    hash.update(chunk);
  });
  request.on('end', () => response.end(`${bytes} ${hash.digest('hex')}\n`));
}).listen(80, '::');
