/** A service with an admin port, and who asks it. */
import assert from 'node:assert/strict';
import { type ClientRequestArgs, type IncomingHttpHeaders, request } from 'node:http';
import { startedService } from '../control/control.suite.js';
import type { Service } from '../control/service.js';
import { AdminServer } from './admin-server.js';

export const TOKEN = 'a-token-of-some-length';

interface Scene {
  after(end: () => unknown): void;
}

export interface Answer {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly text: string;
}

/** A service with an admin port of its own on 127.0.0.1. */
export async function admin(t: Scene, commandsAtStart: readonly string[] = []) {
  const scene = await startedService(
    t,
    { commands: ['admin 0', ...commandsAtStart].map((line) => ({ option: '-O', line })) },
    { openAdmin: (endpoint, service) => AdminServer.listen(endpoint, service, { headerMs: 300, silenceMs: 1000 }) },
  );
  return { ...scene, port: portOf(scene.service) };
}

function portOf(service: Service): number {
  const endpoint = service.adminEndpoint;
  assert(endpoint?.kind === 'ip');
  return endpoint.port;
}

export function ask(port: number, path: string, options: ClientRequestArgs & { body?: string } = {}): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const asking = request({ host: '127.0.0.1', port, path, agent: false, ...options }, (response) => {
      let text = '';
      response.setEncoding('utf8');
      response.on('data', (chunk) => {
        text += chunk;
      });
      response.on('end', () => resolve({ status: response.statusCode ?? 0, headers: response.headers, text }));
      response.on('error', reject);
    });
    asking.on('error', reject);
    asking.end(options.body);
  });
}

export function post(port: number, name: string, body: unknown, headers: Record<string, string> = {}): Promise<Answer> {
  return ask(port, `/api/v1/commands/${name}`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', ...headers },
    body: typeof body === 'string' ? body : JSON.stringify(body),
  });
}
