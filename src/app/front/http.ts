import { randomUUID } from 'node:crypto';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { Viewer } from '../../contracts/viewer.ts';
import type { Edge } from '../edge/edge.ts';
import { misdirected, targetOf } from '../edge/hosts.ts';
import { inTurn } from '../edge/in-turn.ts';
import { answer, answerReady, answerWorkers, type Health } from '../ops/ops-server.ts';
import { createGraphiQL, wantsGraphiQL } from '../workbench/graphiql.ts';
import type { AnswerDelivery } from './context.ts';
import { type GraphQLServer, graphqlPath } from './yoga.ts';

/**
 * How long a client may take to send the headers, and the whole, of a request, and how often Node looks for who took
 * longer. In milliseconds.
 */
export type HttpTimeouts = { headersMs: number; requestMs: number; lookMs: number };

type Deps = Health & {
  yoga: GraphQLServer['yoga'];
  graphiql: boolean;
  edge: Edge;
  onFault: (error: unknown) => void;
  patience?: HttpTimeouts;
};

/** Node looks every 30 seconds by itself: a client that may take 15 would have up to 45. */
const usual: HttpTimeouts = { headersMs: 15_000, requestMs: 60_000, lookMs: 5_000 };

/** The HTTP server: GraphQL, the workbench and the health checks. */
export function createHttpServer({ yoga, graphiql, edge, onFault, patience = usual, ...health }: Deps): Server {
  const page = createGraphiQL();
  const { headersMs: headersTimeout, requestMs: requestTimeout, lookMs: connectionsCheckingInterval } = patience;
  const server = createServer(
    { headersTimeout, requestTimeout, connectionsCheckingInterval, keepAliveTimeout: 65_000, maxHeaderSize: 16_384 },
    inTurn((request, response) => {
      const requestId = randomUUID();
      response.setHeader('x-request-id', requestId);
      response.setHeader('x-content-type-options', 'nosniff');
      route(request, response, requestId);
    }),
  );

  const given: Serving = { yoga, edge, page: graphiql ? page : null, onFault };
  function route(request: IncomingMessage, response: ServerResponse, requestId: string): void {
    const target = targetOf(request);
    if (!target) return void answer(response, 400, 'The Host header, or the address that was asked for, is not one.');
    request.url = target.path; // also of a target that names its host
    const path = target.path.split('?', 1)[0];
    if (path === '/healthz') answer(response, 200, 'ok');
    else if (path === '/readyz') answerReady(response, health).catch(onFault);
    else if (path === '/healthz/workers') answerWorkers(response, health).catch(onFault);
    else if (!edge.hosts().allows(target.host)) answer(response, 421, misdirected(target.host));
    else if (path === graphqlPath) serveGraphQL(given, request, response, { host: target.host, requestId });
    else if (path === '/') response.writeHead(302, { location: graphqlPath }).end();
    else answer(response, 404, `There is nothing at this path: GraphQL is at ${graphqlPath}.`);
  }

  edge.watch(server);
  return server;
}

/** A response is over when all of it has been handed to the system, or its client has gone. */
const deliveryBy = (response: ServerResponse): AnswerDelivery => ({
  onSent: (listener) => void (response.closed ? listener() : response.once('close', listener)),
  cut: () => void response.destroy(),
});

type Serving = Pick<Deps, 'yoga' | 'edge' | 'onFault'> & { page: ReturnType<typeof createGraphiQL> | null };

function serveGraphQL(
  { yoga, edge, page, onFault }: Serving,
  request: IncomingMessage,
  response: ServerResponse,
  { host, requestId }: { host: string | null; requestId: string },
): void {
  const { origin } = request.headers;
  const isAllowedOrigin = origin !== undefined && edge.origins().allows(origin, host);
  if (page && wantsGraphiQL(request)) page.serve(request, response).catch(onFault);
  else if (request.method === 'OPTIONS' && origin !== undefined && !isAllowedOrigin)
    answer(response, 403, edge.origins().refuse(origin));
  else {
    const identified = (viewer: Viewer) => void edge.connections.identify(request.socket, viewer);
    const allowedOrigin = isAllowedOrigin ? origin : null;
    void yoga(request, response, {
      requestId,
      address: edge.addressOf(request),
      allowedOrigin,
      identified,
      delivery: deliveryBy(response),
    });
  }
}
