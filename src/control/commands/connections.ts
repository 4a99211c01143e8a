/** Looking at connections and clients, and closing connections. */
import { formatEndpoint, formatIp } from '../../core/address.js';
import { integer, MAX_INT, optional } from '../argument.js';
import { action, type Command } from '../command.js';

const RECENT_SEC = 300;

const anyNumber = integer('N', -MAX_INT, MAX_INT);

export const connectionCommands: readonly Command[] = [
  action({
    name: 'close',
    arguments: [anyNumber],
    section: 'Connections',
    help: 'close connection N at once',
    run({ service }, index) {
      const isClosed = service.dataPlane.closeConnection(index);
      return isClosed ? `Forcibly closing connection ${index}\n` : `Connection ${index} out of range\n`;
    },
  }),
  action({
    name: 'connection',
    arguments: [anyNumber],
    section: 'Looking',
    help:
      'connection N: state, sockets of the client (down) and the server (up), slots in the tables; with transparent ' +
      'listen also where the client was going',
    run({ service }, index) {
      const found = service.dataPlane.connection(index);
      if (!found) return `Connection ${index} out of range\n`;
      // A connection that is not in use shows 0 and 0 as C Pen's do; its state says what they are worth.
      const { client, server } = found.state === 0 ? { client: 0, server: 0 } : found;
      return (
        `Connection ${index}:\nstate = ${found.state}\n` +
        `downfd = ${found.clientSocket}, upfd = ${found.serverSocket}\n` +
        `client = ${client}, server = ${server}\npend = ${found.pending}\n` +
        // C Pen knows no such listeners, so its form is kept wherever it has one.
        (found.destination ? `destination = ${formatEndpoint(found.destination)}\n` : '')
      );
    },
  }),
  action({
    name: 'socket',
    arguments: [anyNumber],
    section: 'Looking',
    help: 'the connection that socket N belongs to, -1 = none',
    run({ service }, socket) {
      return `Socket ${socket} belongs to connection ${service.dataPlane.connectionOfSocket(socket)}\n`;
    },
  }),
  action({
    name: 'recent',
    arguments: [optional(integer('SEC'))],
    section: 'Looking',
    help: `clients seen in the last SEC seconds (${RECENT_SEC}), the latest first`,
    run({ service }, seconds = RECENT_SEC) {
      const { clients } = service.dataPlane;
      const sinceMs = service.monotonicMs() - seconds * 1000;
      return service.clientWalks.describeRecent(clients, sinceMs, ({ address, connects, sent, received }) => {
        return `${formatIp(address)} connects ${connects} sx ${sent} rx ${received}\n`;
      });
    },
  }),
];
