/**
 * C Pen's lines. In a file: `CLIENT UNIX_TIME SERVER FIRST_LINE`; to penlogd: `+ CLIENT SERVER FIRST_LINE`. One a request,
 * or for what is not HTTP one a connection. A connection whose client has said nothing has `-` for a first line, in a
 * file only: penlogd is for requests.
 */

import { dots } from './escape.js';
import { putClient, putServer, putText } from './fields.js';
import type { LineBuffer } from './line-buffer.js';
import type { Surroundings, WriteLine } from './log-format.js';
import type { LogRing } from './log-ring.js';
import { BEGAN, KIND, kindIn, REQUESTS } from './record.js';

const SPACE = 32;

export function penLines(forPenlogd: boolean): WriteLine {
  return (line: LineBuffer, ring: LogRing, at: number, surroundings: Surroundings): void => {
    const head = ring.words[at];
    const isRequest = kindIn(head) === KIND.request;
    if (!isRequest && (forPenlogd || kindIn(head) !== KIND.connection || ring.words[at + REQUESTS] > 0)) return;
    if (forPenlogd) line.put('+ ');
    putClient(line, ring, at, 'unix');
    line.byte(SPACE);
    if (!forPenlogd) {
      line.number(Math.floor((ring.doubles[(at + BEGAN) >> 1] + surroundings.wallShiftMs) / 1000));
      line.byte(SPACE);
    }
    putServer(line, ring, at, surroundings, '-');
    line.byte(SPACE);
    if (isRequest) putText(line, ring, at, dots);
    else line.put('-');
    line.endLine();
  };
}
