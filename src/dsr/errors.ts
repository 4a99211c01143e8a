/** What keeps direct server return from starting or from obeying a configuration. */

export class DsrError extends Error {
  readonly code = 'ERR_PEN_DSR';

  constructor(message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = 'DsrError';
  }
}
