/** Pen in C, Debian's package `pen`. */
import { packageVersion } from './package-version.js';

/** @type {import('./rivals.js').Competitor} */
export const cPen = {
  id: 'pen',
  label: 'C Pen',
  kind: 'rival',
  version: packageVersion('pen'),
  command: (setup) => ({
    file: '/usr/bin/pen',
    args: [
      ...[
        '-f',
        ...(setup.udp ? ['-U'] : []),
        ...(setup.tracks ? [] : ['-r']),
        '-c',
        String(setup.clients),
        '-x',
        String(setup.connections),
      ],
      ...(setup.certificate ? ['-E', setup.certificate, '-K', setup.certificate] : []),
      ...[`127.0.0.1:${setup.port}`, ...setup.servers],
    ],
  }),
};
