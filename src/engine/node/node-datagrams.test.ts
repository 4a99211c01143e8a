import { datagramSuite } from '../datagrams.suite.js';

datagramSuite('node', {
  'answers from the address that the client wrote to': 'node:dgram does not tell where a datagram was sent to',
  'reports what is queued for a socket that is closed as unsent': 'nothing is queued: libuv sends at once',
});
