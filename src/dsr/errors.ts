/** What keeps direct server return from starting or from obeying a configuration. */
import { Refusal } from '../proxy/refusal.js';

export class DsrError extends Refusal {
  readonly code = 'ERR_PEN_DSR';

  constructor(message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = 'DsrError';
  }
}
