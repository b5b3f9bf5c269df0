import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { defer } from '../../src/kernel/async.ts';

export type RawServer = { url: string; close(): Promise<void>; [Symbol.asyncDispose](): Promise<void> };

/** A model server whose every byte the test decides. The request's body is read before `answer` is called. */
export async function startRawServer(
  answer: (response: ServerResponse, request: IncomingMessage, body: string) => unknown,
): Promise<RawServer> {
  const server = createServer((request, response) => {
    const parts: Buffer[] = [];
    request.on('data', (part: Buffer) => parts.push(part));
    request.on('end', () => void answer(response, request, Buffer.concat(parts).toString()));
  });
  const listening = defer<void>();
  server.listen(0, '127.0.0.1', listening.resolve);
  await listening.promise;
  const close = () =>
    new Promise<void>((resolve) => {
      server.close(() => resolve());
      server.closeAllConnections();
    });
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/v1`, close, [Symbol.asyncDispose]: close };
}

export const sse = (response: ServerResponse, headers: Record<string, string> = {}): ServerResponse =>
  response.writeHead(200, { 'content-type': 'text/event-stream', ...headers });

/** One event of a Chat Completions stream. */
export const chunk = (delta: object, rest: object = {}): string =>
  `data: ${JSON.stringify({ id: 'c1', model: 'm-1', choices: [{ index: 0, delta, finish_reason: null }], ...rest })}\n\n`;

export const finish = (reason: string): string =>
  `data: ${JSON.stringify({ id: 'c1', choices: [{ index: 0, delta: {}, finish_reason: reason }] })}\n\n`;

export const done = 'data: [DONE]\n\n';
