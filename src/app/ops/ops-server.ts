import { once } from 'node:events';
import { createServer, type Server, type ServerResponse } from 'node:http';
import { listenFault } from '../start-error.ts';
import type { WorkersFinding } from './workers-check.ts';

export type Health = {
  /** Whether work may be sent here: the database answers and the process is not draining. */
  isReady(): Promise<boolean>;
  /**
   * Whether any process of this installation runs turns. Bounded in time and in statements, however often it is asked.
   */
  workers(): Promise<WorkersFinding>;
};

type Deps = Health & { scrape: () => Promise<string>; contentType: string; onFault: (error: unknown) => void };

export function answer(
  response: ServerResponse,
  status: number,
  text: string,
  type = 'text/plain; charset=utf-8',
): void {
  response.writeHead(status, { 'content-type': type, 'x-content-type-options': 'nosniff' }).end(text);
}

/** Whether the process is ready for work, as a load balancer asks it. */
export async function answerReady(response: ServerResponse, { isReady }: Health): Promise<void> {
  const good = await isReady();
  answer(response, good ? 200 : 503, good ? 'ready' : 'not ready');
}

/**
 * Whether anybody runs turns. Not a part of readiness: a process that serves is not taken out of service because others
 * do not work.
 */
export async function answerWorkers(response: ServerResponse, { workers }: Health): Promise<void> {
  const { isGood, says } = await workers();
  answer(response, isGood ? 200 : 503, says);
}

/**
 * What machines ask of a process, of whatever role: on a port of its own, since it tells what only an operator should
 * know.
 */
export function createOpsServer({ scrape, contentType, onFault, ...health }: Deps): Server {
  let scraping: Promise<string> | null = null;

  /** Several scrapes at once are one: a crowd of them must not become a crowd of statements. */
  async function metrics(response: ServerResponse): Promise<void> {
    scraping ??= scrape().finally(() => {
      scraping = null;
    });
    answer(response, 200, await scraping, contentType);
  }

  const patience = { headersTimeout: 5_000, requestTimeout: 10_000, connectionsCheckingInterval: 2_500 };
  return createServer({ ...patience, maxHeaderSize: 8_192 }, (request, response) => {
    const failed = (error: unknown) => {
      onFault(error);
      answer(response, 500, 'This could not be told; the fault is logged.');
    };
    const path = request.url?.split('?', 1)[0];
    if (request.method !== 'GET' && request.method !== 'HEAD') answer(response, 405, 'Only GET is answered here.');
    else if (path === '/healthz') answer(response, 200, 'ok');
    else if (path === '/readyz') answerReady(response, health).catch(failed);
    else if (path === '/healthz/workers') answerWorkers(response, health).catch(failed);
    else if (path === '/metrics') metrics(response).catch(failed);
    else
      answer(
        response,
        404,
        'There is nothing at this path: /healthz, /healthz/workers, /readyz and /metrics are here.',
      );
  });
}

/**
 * Connections that may wait to be accepted; the system may allow fewer (`net.core.somaxconn`). When thousands of
 * clients come back at once, each one above it is left to try again after 1, 3, 7 … seconds.
 */
const backlog = 4_096;

/** Opens the server, or says why the address cannot be had. */
export async function listenAt(
  server: Server,
  place: { host: string; port: number },
  variable: 'PORT' | 'METRICS_PORT',
): Promise<string> {
  server.listen({ port: place.port, host: place.host, backlog });
  await once(server, 'listening').catch((error: unknown) => {
    throw listenFault(place, error, variable);
  });
  const bound = server.address();
  if (bound === null || typeof bound === 'string') throw new Error('The server listens on no port.');
  return `http://${bound.family === 'IPv6' ? `[${bound.address}]` : bound.address}:${bound.port}`;
}
