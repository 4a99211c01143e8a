/** Answers of megabytes: sent at once they would keep traffic from a shared core for milliseconds. */
import type { ServerResponse } from 'node:http';
import { Pieces, SMALL_SHARE } from '../control/piecemeal.js';

/**
 * Sends `body` as fast as the client reads and traffic leaves room for; ends early if the client does. The stream is given a
 * piece when it has no other.
 */
export async function sendInPieces(response: ServerResponse, type: string, body: readonly Buffer[]): Promise<void> {
  const length = body.reduce((sum, piece) => sum + piece.length, 0);
  response.writeHead(200, { 'content-type': type, 'content-length': length });
  const pieces = new Pieces(SMALL_SHARE);
  for (const piece of body) {
    const { socket } = response;
    const isSent = new Promise<boolean>((resolve) => {
      response.write(piece, (error) => resolve(!error));
    });
    // By itself it would go out with all else of this turn of the event loop, megabytes in one system call.
    socket?.uncork();
    if (socket && socket.writableLength > 0) {
      if (!(await isSent)) return;
      pieces.begin();
    } else if (pieces.isOver) await pieces.rest();
    if (response.destroyed) return;
  }
  response.end();
}
