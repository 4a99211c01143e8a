/** One connection of an `http` listener: how far its requests have been read, and the bytes that wait. */
import { NONE } from '../core/configuration.js';
import { Body } from '../wire/http/body.js';
import type { Forwarding } from '../wire/http/forwarding.js';
import { HeadScanner, KIND } from '../wire/http/head-scanner.js';
import { Answers } from './answers.js';

/**
 * Bytes of the client on their way up:
 *
 *     input   |  sent or copied  |  read: may be sent  |  not read yet  |
 *             0                  at                    read             end
 *     out     |  requests ready to be sent, or (isPartial) the beginning of a head  |
 *             0                                                                     outLength
 */
export class HttpStream {
  readonly head = new HeadScanner(KIND.request);
  readonly body = new Body();
  readonly answers = new Answers();
  forwarding!: Forwarding;
  /** What was received and is not yet sent on; NONE: a buffer. */
  input = NONE;
  at = 0;
  read = 0;
  end = 0;
  /** A buffer of our own, for what cannot be sent from where it was received. */
  out = NONE;
  outLength = 0;
  isPartial = false;
  /** Length of a head at `at` that has been read and not yet been placed. */
  headLength = 0;
  isReceiving = false;
  isSendingUp = false;
  isSendingDown = false;
  /** The client is not passed on any more; what it says is dropped. */
  isMute = false;
  /** Status of our own answer that ends the connection; 0: none. */
  refusal = 0;
  /** It is for a request that the server has begun to get. */
  refusesLast = false;
  /** When the head that has begun must be whole. */
  headDeadlineMs = Infinity;

  begin(forwarding: Forwarding): void {
    this.head.reset();
    this.body.beginNone();
    this.answers.reset();
    this.forwarding = forwarding;
    this.outLength = 0;
    this.isPartial = false;
    this.headLength = 0;
    this.isReceiving = true;
    this.isSendingUp = false;
    this.isSendingDown = false;
    this.isMute = false;
    this.refusal = 0;
    this.refusesLast = false;
    this.headDeadlineMs = Infinity;
  }
}
