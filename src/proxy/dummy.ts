/** `dummy`: a web server of one page, for measuring the way to it and for checks that want only an answer. */
const BODY = 'Pen is here.\n';
const ANSWER = Buffer.from(
  `HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: ${BODY.length}\r\n\r\n${BODY}`,
);

/** Writes the answer into `target` and returns its length. */
export function dummyAnswer(target: Uint8Array): number {
  target.set(ANSWER);
  return ANSWER.length;
}
