import { once } from 'node:events';
import type { Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { type Composition, compose } from '../../src/app/compose/compose.ts';
import { loadConfig } from '../../src/app/config.ts';
import { createEdge } from '../../src/app/edge/edge.ts';
import { createContexts } from '../../src/app/front/context.ts';
import { createHttpServer, type HttpTimeouts } from '../../src/app/front/http.ts';
import { attachSockets } from '../../src/app/front/ws.ts';
import { createGraphQLServer } from '../../src/app/front/yoga.ts';
import { createToolRegistry } from '../../src/features/tools/index.ts';
import { AnswerShares } from '../../src/graph/budget/index.ts';
import { type Database, openDatabase } from '../../src/platform/db.ts';
import { createLogger } from '../../src/platform/logger.ts';
import { secret } from './app.ts';
import type { TestStorage } from './databases.ts';

/** The front of the product, HTTP and sockets, with its insides at hand. No worker takes the turns that it admits. */
export type Front = {
  composition: Composition;
  /** What answers under way hold. */
  shares: AnswerShares;
  database: Database;
  /** What it has logged, from warnings on. */
  lines: string[];
  /** One more server; ended with the front. */
  listen(patience?: HttpTimeouts): Promise<{ server: Server; port: number; url: string }>;
  close(): Promise<void>;
};

export async function createFront(storage: TestStorage): Promise<Front> {
  const lines: string[] = [];
  const place = await storage.create();
  const database = await openDatabase({ ...place, poolSize: 6 });
  const config = loadConfig({ JWT_SECRET: secret });
  const logger = createLogger({
    level: 'warn',
    production: true,
    destination: { write: (line) => void lines.push(line) },
  });
  const composition = compose({ config, database, logger, secret, registry: createToolRegistry([]) });
  const shares = new AnswerShares(config.http.answers);
  const contexts = createContexts(database, { services: composition.services, shares });
  const graphql = createGraphQLServer({ config, logger, ...composition, contexts });
  const ends: (() => Promise<void>)[] = [];
  return {
    composition,
    shares,
    database,
    lines,
    async listen(patience) {
      const edge = createEdge(config.http, logger);
      const server = createHttpServer({
        edge,
        yoga: graphql.yoga,
        graphiql: false,
        isReady: async () => true,
        workers: async () => ({ isGood: true, says: 'one' }),
        onFault: () => {},
        ...(patience ? { patience } : {}),
      });
      const sockets = attachSockets(server, { config: config.http, logger, graphql, ...composition, contexts, edge });
      server.listen(0, '127.0.0.1');
      await once(server, 'listening');
      const { port } = server.address() as AddressInfo;
      ends.push(async () => {
        server.close();
        await sockets.close();
        server.closeAllConnections();
      });
      return { server, port, url: `http://127.0.0.1:${port}` };
    },
    async close() {
      for (const end of ends) await end();
      await composition.close();
      await database.close();
      await place.drop();
    },
  };
}
