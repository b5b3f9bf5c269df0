import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { pause } from '../kernel/async.ts';
import { openDatabase } from '../platform/db.ts';
import type { Logger } from '../platform/logger.ts';
import { applyMigrations } from '../platform/migrate.ts';
import { type ScriptedServer, startScriptedServer } from '../providers/index.ts';
import type { Config } from './config.ts';
import { createContexts } from './context.ts';
import { createHttpServer } from './http.ts';
import { resolveSecret } from './secret.ts';
import { compose } from './services.ts';
import { databaseFault, listenFault } from './start-error.ts';
import { attachSockets } from './ws.ts';
import { createGraphQLServer } from './yoga.ts';

export type App = {
  /** Where the server listens, without a trailing slash; null for a process that only works. */
  url: string | null;
  /** The model server that was started because no other is configured. */
  scripted: ScriptedServer | null;
  /** Stops taking turns and requests, lets what runs finish for a while, hands over the rest. */
  close(graceMs?: number): Promise<void>;
};

const defaultGraceMs = 20_000;

/** Opens the stores, brings the database up to date, and starts what this role does. */
export async function startApp(given: Config, logger: Logger): Promise<App> {
  const secret = await resolveSecret(given);
  const { databaseUrl, dataDir, poolSize } = given.stores;
  const database = await openDatabase({ url: databaseUrl, dataDir, poolSize, log: logger });
  let scripted: ScriptedServer | null = null;
  try {
    if (databaseUrl) await reach(database, databaseUrl);
    await applyMigrations(database, logger);
    scripted = given.providers.openai.scripted ? await startScriptedServer({ tokensPerSecond: given.providers.scripted.tokensPerSecond }) : null;
  } catch (error) {
    await database.close();
    throw error;
  }
  const config = scripted ? withModel(given, scripted.url) : given;
  const composition = compose({ config, database, logger, secret });
  const front = config.role === 'worker' ? null : await listen(config, logger, composition, database).catch(abandon);
  composition.worker?.start();

  async function abandon(error: unknown): Promise<never> {
    await composition.close();
    await scripted?.close();
    await database.close();
    throw error;
  }

  let closing: Promise<void> | null = null;
  async function close(graceMs: number): Promise<void> {
    front?.stop();
    await composition.worker?.drain(graceMs);
    await front?.close();
    await composition.close();
    await scripted?.close();
    await database.close();
  }

  return { url: front?.url ?? null, scripted, close: (graceMs = defaultGraceMs) => (closing ??= close(graceMs)) };
}

/** The scripted server is spoken to as any other compatible server; only its address and a key for form's sake are set. */
const withModel = (config: Config, baseUrl: string): Config => ({
  ...config,
  providers: { ...config.providers, openai: { ...config.providers.openai, baseUrl, apiKey: 'scripted' } },
});

type Composed = ReturnType<typeof compose>;
type Opened = Awaited<ReturnType<typeof openDatabase>>;

async function listen(config: Config, logger: Logger, composition: Composed, database: Opened) {
  const contexts = createContexts(database, composition);
  const { viewers } = composition;
  const yoga = createGraphQLServer({ config, logger, viewers, contexts });
  let stopping = false;
  const isReady = async () => !stopping && (await Promise.race([answers(database), pause(2_000).then(() => false)]));
  const server = createHttpServer({
    yoga,
    graphiql: config.http.graphiql,
    isReady,
    onFault: (err) => logger.error({ err }, 'GraphiQL could not be served'),
  });
  const sockets = attachSockets(server, { config: config.http, logger, yoga, viewers, contexts });
  server.maxConnections = config.http.maxConnections;
  server.listen(config.http.port, config.http.host);
  await once(server, 'listening').catch((error: unknown) => {
    throw listenFault(config.http, error);
  });
  const { address, port, family } = server.address() as AddressInfo;
  return {
    url: `http://${family === 'IPv6' ? `[${address}]` : address}:${port}`,
    /** Not ready any more, so that nobody is sent here; who is here is served while the worker drains. */
    stop(): void {
      stopping = true;
    },
    async close(): Promise<void> {
      server.close();
      await sockets.close();
      server.closeAllConnections();
    },
  };
}

async function reach(database: Opened, url: string): Promise<void> {
  await database.query('SELECT 1').catch((error: unknown) => {
    throw databaseFault(url, error);
  });
}

const answers = (database: Opened): Promise<boolean> =>
  database.query('SELECT 1').then(
    () => true,
    () => false,
  );
