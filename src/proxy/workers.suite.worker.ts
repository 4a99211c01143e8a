/** worker.js with a weak spot, for the tests of what happens when a worker dies: a client from 127.0.0.66 kills it. */
import { Balancer } from '../core/balancer.js';

const DEADLY = 0x7f000042;

const { admits } = Balancer.prototype;
Balancer.prototype.admits = function (address, isUnix) {
  if (address[3] === DEADLY) throw new Error('killed by a test');
  return admits.call(this, address, isUnix);
};

await import('./worker.js');
