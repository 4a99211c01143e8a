/** Many requests from one process, each a new connection or on kept ones; what failed, when it began, who answered. */
import { Agent, request } from 'node:http';
import { within } from './wait.js';

export interface Shot {
  /** performance.now() when the request was begun. */
  readonly beganMs: number;
  /** The body, or undefined if it failed. */
  readonly body: string | undefined;
  readonly failure: string | undefined;
}

/** Makes `n` requests, `concurrency` at a time; never rejects. */
export async function shoot(port: number, n: number, concurrency: number, keepAlive = false): Promise<Shot[]> {
  // Not an agent without keepAlive: that one reuses connections too while requests are waiting.
  const agent = keepAlive && new Agent({ keepAlive, maxSockets: concurrency });
  const shots: Shot[] = [];
  let left = n;
  const shooter = async () => {
    while (left-- > 0) shots.push(await shot(port, agent));
  };
  await Promise.all(Array.from({ length: concurrency }, shooter));
  if (agent) agent.destroy();
  return shots;
}

/** How many answers each server gave. */
export function tally(shots: readonly Shot[]): Map<string, number> {
  const counts = new Map<string, number>();
  for (const { body } of shots) if (body !== undefined) counts.set(body, (counts.get(body) ?? 0) + 1);
  return counts;
}

/** The failures among requests begun after `sinceMs`. */
export function failures(shots: readonly Shot[], sinceMs = 0): string[] {
  return shots.filter((shot) => shot.failure !== undefined && shot.beganMs > sinceMs).map((shot) => `${shot.failure}`);
}

async function shot(port: number, agent: Agent | false): Promise<Shot> {
  const beganMs = performance.now();
  const answer = new Promise<string>((resolve, reject) => {
    const asking = request({ host: '127.0.0.1', port, agent }, (response) => {
      let body = '';
      response.setEncoding('utf8');
      response.on('data', (text: string) => {
        body += text;
      });
      response.on('end', () => (response.complete ? resolve(body) : reject(new Error('cut short'))));
      response.on('error', reject);
    });
    asking.on('error', reject);
    asking.end();
  });
  try {
    return { beganMs, body: await within('an answer', answer), failure: undefined };
  } catch (error) {
    return { beganMs, body: undefined, failure: String((error as NodeJS.ErrnoException).code ?? error) };
  }
}
