import type { IncomingMessage } from 'node:http';
import type { GraphQLParams } from 'graphql-yoga';
import { beyondJsonBounds } from '../../kernel/json-bounds.ts';
import { badRequest, readBody } from './body.ts';
import { beyondBounds, type MessageLimits } from './limits.ts';

/** What is asked for by GET: all of it is in the address, which is as long as headers may be. */
export function paramsOfAddress(url: string, limits: MessageLimits): GraphQLParams {
  const at = url.indexOf('?');
  return paramsOfForm(new URLSearchParams(at < 0 ? '' : url.slice(at + 1)), limits);
}

/** What is asked for by POST, by the type of the body: JSON, a form, or the bare document. */
export async function paramsOfBody(request: IncomingMessage, limits: MessageLimits): Promise<GraphQLParams> {
  const type = request.headers['content-type'] ?? '';
  const bytes = await readBody(request, limits);
  if (/^application\/x-www-form-urlencoded\b/i.test(type))
    return paramsOfForm(new URLSearchParams(bytes.toString()), limits);
  if (/^application\/graphql(?![\w+-])/i.test(type)) return { query: bytes.toString() };
  const body = parsed(bytes, 'The body', limits);
  if (Array.isArray(body)) throw badRequest('Batching is not supported: send one operation in a request.');
  return body;
}

function paramsOfForm(form: URLSearchParams, limits: MessageLimits): GraphQLParams {
  const text = (name: string) => form.get(name) || undefined;
  const object = (name: string) => {
    const value = text(name);
    return value === undefined ? undefined : parsed(Buffer.from(value), `The parameter "${name}"`, limits);
  };
  return {
    query: text('query'),
    operationName: text('operationName'),
    variables: object('variables'),
    extensions: object('extensions'),
  } as GraphQLParams;
}

/** The object or list of a JSON text, which is looked at before it is parsed. */
function parsed(bytes: Buffer, what: string, limits: MessageLimits): Record<string, unknown> {
  const beyond = beyondJsonBounds(bytes, limits.json);
  if (beyond) throw badRequest(`${what} is refused. ${beyondBounds(beyond, limits)}`);
  let value: unknown;
  try {
    value = JSON.parse(bytes.toString());
  } catch {
    throw badRequest(`${what} is not valid JSON.`);
  }
  if (typeof value !== 'object' || value === null) throw badRequest(`${what} must be a JSON object.`);
  return value as Record<string, unknown>;
}
