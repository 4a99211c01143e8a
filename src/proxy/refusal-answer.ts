/** What a client is told whose request is refused. */
const ANSWERS: Readonly<Record<number, Uint8Array>> = Object.fromEntries(
  Object.entries({ 400: 'Bad Request', 408: 'Request Timeout', 431: 'Request Header Fields Too Large' }).map(
    ([status, reason]) => [
      status,
      Buffer.from(
        `HTTP/1.1 ${status} ${reason}\r\nContent-Type: text/plain\r\nContent-Length: ${reason.length + 1}\r\nConnection: close\r\n\r\n${reason}\n`,
      ),
    ],
  ),
);

/** Writes the answer with that status into `target` and returns its length. */
export function refusalAnswer(target: Uint8Array, status: number): number {
  const answer = ANSWERS[status];
  target.set(answer);
  return answer.length;
}
