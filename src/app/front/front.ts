import { AnswerShares } from '../../graph/budget/index.ts';
import type { Database } from '../../platform/db.ts';
import type { Logger } from '../../platform/logger.ts';
import type { Composition } from '../compose/compose.ts';
import type { Config } from '../config.ts';
import { createEdge } from '../edge/edge.ts';
import { type Health, listenAt } from '../ops/ops-server.ts';
import { createContexts } from './context.ts';
import { createHttpServer } from './http.ts';
import { attachSockets } from './ws.ts';
import { createGraphQLServer } from './yoga.ts';

export type FrontDeps = {
  config: Config;
  logger: Logger;
  composition: Composition;
  database: Database;
  health: Health;
};

/** What a process that serves has for its users. */
export type Front = {
  /** Where it listens, without a trailing slash. */
  url: string;
  /** How many sockets are open. */
  sockets(): number;
  close(): Promise<void>;
};

/** Serves GraphQL over HTTP and sockets. A process that only works never loads this file, nor what it imports. */
export async function listen({ config, logger, composition, database, health }: FrontDeps): Promise<Front> {
  const contexts = createContexts(database, {
    services: composition.services,
    shares: new AnswerShares(config.http.answers),
  });
  const { viewers, metrics } = composition;
  const graphql = createGraphQLServer({ config, logger, metrics, viewers, contexts });
  const onFault = (err: unknown) => logger.error({ err }, 'GraphiQL could not be served');
  const edge = createEdge(config.http, logger);
  const server = createHttpServer({ ...health, yoga: graphql.yoga, graphiql: config.http.graphiql, edge, onFault });
  const sockets = attachSockets(server, { config: config.http, logger, graphql, viewers, contexts, edge });
  const url = await listenAt(server, config.http, 'PORT');
  if (edge.hosts().isOff) logger.warn({ url }, anyHost);
  return {
    url,
    sockets: () => sockets.sockets,
    async close(): Promise<void> {
      server.close();
      await Promise.all([sockets.close(), graphql.serverEnd.end(server)]);
      server.closeAllConnections();
    },
  };
}

/** Said at the start of a server on the network that does not know what it is called. */
const anyHost =
  'requests may name any host, since neither PUBLIC_URL nor ALLOWED_HOSTS is set: a page elsewhere whose name is ' +
  'made to lead here (DNS rebinding) can use this server as whoever looks at it could. Set one of them';
