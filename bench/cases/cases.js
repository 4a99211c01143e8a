/** The cases, a file each, in the order of the results. */
import { allocation } from './allocation.js';
import { bulk } from './bulk.js';
import { choosing } from './choosing.js';
import { clients } from './clients.js';
import { connection } from './connection.js';
import { dns } from './dns.js';
import { http } from './http.js';
import { idle } from './idle.js';
import { keepAlive } from './keep-alive.js';
import { loggingConnections, loggingRequests } from './logging.js';
import { servers } from './servers.js';
import { tlsBulk, tlsFull, tlsKeepAlive, tlsResumed } from './tls.js';
import { transparent } from './transparent.js';

/**
 * @typedef {object} Case
 * @property {string} name as on the command line
 * @property {(bench: import('../contest.js').Bench) => Promise<import('../report.js').Section>} run
 */

/** @type {readonly Case[]} */
export const CASES = [
  keepAlive,
  connection,
  bulk,
  http,
  dns,
  idle,
  servers,
  clients,
  transparent,
  choosing,
  tlsFull,
  tlsResumed,
  tlsKeepAlive,
  tlsBulk,
  allocation,
  loggingRequests,
  loggingConnections,
];
