/** Preloaded (`--import`), it takes koffi away, as on a platform that koffi has no binary for. */
import Module from 'node:module';

const modules = Module as unknown as { _resolveFilename: (request: string, ...rest: unknown[]) => string };
const resolve = modules._resolveFilename;
modules._resolveFilename = (request, ...rest) => {
  if (request === 'koffi') throw new Error('no koffi here');
  return resolve.call(modules, request, ...rest);
};
