/** docs/openapi.json, made from the table of commands: what can be asked of the admin port. */
import type { Command } from '../control/command.js';
import { apiCommands, isReadable, pathName } from './command-api.js';

const WORD = '^[^\\s#]\\S*$';

const problem = {
  description: 'Nothing was done',
  content: {
    'application/json': { schema: { type: 'object', properties: { error: { type: 'string' } }, required: ['error'] } },
  },
};

/** The document, OpenAPI 3.1. */
export function openApiDocument(): object {
  return {
    openapi: '3.1.0',
    info: {
      title: 'Pen',
      version: '1',
      description:
        'All that penctl can do, over HTTP. Commands that name files work on the Unix socket only. Where pen has a token, everything but /healthz, /readyz and the pages asks for it.',
      license: { name: 'MIT', identifier: 'MIT' },
    },
    components: { securitySchemes: { token: { type: 'http', scheme: 'bearer' } } },
    security: [{}, { token: [] }],
    paths: {
      '/healthz': plainPath('Whether pen runs', 'health', { 200: 'It does' }),
      '/readyz': plainPath('Whether a client would get a server', 'readiness', {
        200: 'It would',
        503: 'It would not',
      }),
      '/metrics': plainPath('Metrics for Prometheus', 'metrics', { 200: 'Text exposition format 0.0.4' }),
      '/api/v1/history': { get: history },
      '/api/v1/live': {
        get: {
          operationId: 'live',
          summary: 'Server-sent events: a `frame` a second with summary, servers and what has happened since the last',
          responses: { 200: { description: 'The stream', content: { 'text/event-stream': {} } }, default: problem },
        },
      },
      ...Object.fromEntries(
        apiCommands.filter(isReadable).map((command) => [`/api/v1/${pathName(command)}`, { get: reading(command) }]),
      ),
      ...Object.fromEntries(
        apiCommands.map((command) => [`/api/v1/commands/${pathName(command)}`, { post: giving(command) }]),
      ),
    },
  };
}

const history = {
  operationId: 'history',
  summary: 'Traffic of the last hour',
  parameters: [
    { name: 'seconds', in: 'query', schema: { type: 'integer', minimum: 1, maximum: 3600, default: 300 } },
    { name: 'step', in: 'query', schema: { type: 'integer', minimum: 1, maximum: 60, default: 1 } },
  ],
  responses: { 200: jsonAnswer('Series of equal length', { type: 'object' }), default: problem },
};

function plainPath(summary: string, operationId: string, statuses: Record<number, string>): object {
  const responses = Object.fromEntries(
    Object.entries(statuses).map(([status, description]) => [status, { description, content: { 'text/plain': {} } }]),
  );
  return { get: { operationId, summary, responses } };
}

function reading(command: Command): object {
  // By GET there is only something to see.
  const asked = { ...command, arguments: command.arguments.filter(({ isDeed }) => !isDeed) };
  const usage = words(asked);
  return {
    operationId: `get_${pathName(command)}`,
    summary: command.help,
    tags: [command.section],
    parameters:
      usage === '' ? [] : [{ name: 'argument', in: 'query', description: usage, schema: argumentList(asked) }],
    responses: { 200: jsonAnswer('What there is', { type: ['object', 'array'] }), default: problem },
  };
}

function giving(command: Command): object {
  const required = requiredWords(command);
  const body = {
    type: 'object',
    properties: { arguments: argumentList(command) },
    additionalProperties: false,
    ...(required > 0 ? { required: ['arguments'] } : {}),
  };
  const ranges = command.arguments.flatMap(({ range }) => range ?? []);
  const isFile = command.arguments.some((argument) => argument.isFile);
  return {
    operationId: pathName(command),
    summary: command.help,
    tags: [command.section],
    ...(ranges.length > 0 || isFile
      ? { description: [...ranges, ...(isFile ? ['only on the Unix socket, as it names a file'] : [])].join('; ') }
      : {}),
    requestBody: { required: true, content: { 'application/json': { schema: body } } },
    responses: {
      200: jsonAnswer('Done', { type: 'object', properties: { reply: { type: 'string' }, data: {} } }),
      default: problem,
    },
  };
}

function argumentList(command: Command): object {
  const none = command.arguments.every((argument) => argument.isJson);
  return {
    type: 'array',
    description: words(command),
    items: { anyOf: [{ type: 'string', pattern: WORD }, { type: 'integer' }] },
    minItems: requiredWords(command),
    ...(none ? { maxItems: 0 } : {}),
  };
}

/** How penctl's manual writes the arguments. */
function words(command: Command): string {
  return command.arguments.flatMap((argument) => (argument.isJson ? [] : argument.usage)).join(' ');
}

function requiredWords(command: Command): number {
  return command.arguments.filter(({ isOptional, usage }) => !isOptional && usage !== '' && !usage.startsWith('['))
    .length;
}

function jsonAnswer(description: string, schema: object): object {
  return { description, content: { 'application/json': { schema } } };
}
