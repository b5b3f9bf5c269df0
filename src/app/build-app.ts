import type { IsolatedTurn, LaunchIsolated } from '../features/worker/index.ts';
import { pause } from '../kernel/async.ts';
import { openDatabase } from '../platform/db.ts';
import type { Logger } from '../platform/logger.ts';
import { applyMigrations } from '../platform/migrate.ts';
import { flushSpans } from '../platform/telemetry/tracing.ts';
import { type ScriptedServer, startScriptedServer } from '../providers/index.ts';
import { type Composition, compose } from './compose/compose.ts';
import type { Config } from './config.ts';
import type { Front, FrontDeps } from './front/front.ts';
import { createOpsServer, type Health, listenAt } from './ops/ops-server.ts';
import { createScrape } from './ops/scrape.ts';
import { createWorkersCheck } from './ops/workers-check.ts';
import { resolveSecret, secretWarning } from './secret.ts';
import { databaseFault } from './start-error.ts';
import { loadTools } from './tools/load-tools.ts';

export type App = {
  /** Where the server listens, without a trailing slash; null for a process that only works. */
  url: string | null;
  /** Where it tells how it is, without a trailing slash; null where that was not asked for. */
  opsUrl: string | null;
  /** The model server that was started because no other is configured. */
  scripted: ScriptedServer | null;
  /**
   * Stops taking turns and requests, lets what runs finish for so many milliseconds (as configured, unless said), hands
   * over the rest.
   */
  close(graceMs?: number): Promise<void>;
  /** What `close` waits for now; null before it and after it. */
  readonly closing: string | null;
  /**
   * Where it was started for a turn that must run alone: resolves when that has ended, and no other is to. Else null.
   */
  ran: Promise<void> | null;
};

/** What a process is started for, beside its configuration. */
export type Purpose = {
  /** A turn that it is to run, and nothing beside it; its role is `worker` then. */
  only?: IsolatedTurn | null;
  /** Starts such a process. Without it a turn that must run alone waits until nothing else runs in this one. */
  launchIsolated?: LaunchIsolated | null;
};

/**
 * How long readers of a process that ends may take to get what is stored; the others resume elsewhere by their cursors.
 */
const lastWordsMs = 1_000;

/** Opens the stores, brings the database up to date, and starts what this role does. */
export async function startApp(
  given: Config,
  logger: Logger,
  { only = null, launchIsolated = null }: Purpose = {},
): Promise<App> {
  const registry = await loadTools(given.tools.modules);
  const secret = await resolveSecret(given);
  const warning = secretWarning(given);
  if (warning) logger.warn(warning);
  const { database, scripted } = await openStores(given, logger);
  const config = scripted ? withModel(given, scripted.url) : given;
  // The embedded database is in this process: no other one can reach it.
  const launch = given.stores.databaseUrl ? launchIsolated : null;
  const composition = compose({ config, database, logger, secret, registry, launchIsolated: launch });
  const app = new RunningApp({ config, logger, database, scripted, composition });
  await app.listen();
  app.work(only);
  return app;
}

type Stores = { database: Opened; scripted: ScriptedServer | null };

async function openStores({ stores, providers }: Config, logger: Logger): Promise<Stores> {
  const { databaseUrl, dataDir, poolSize } = stores;
  const database = await openDatabase({ url: databaseUrl, dataDir, poolSize, log: logger });
  try {
    if (databaseUrl) await reach(database, databaseUrl);
    await applyMigrations(database, logger);
    const { tokensPerSecond } = providers.scripted;
    return { database, scripted: providers.openai.scripted ? await startScriptedServer({ tokensPerSecond }) : null };
  } catch (error) {
    await database.close();
    throw error;
  }
}

type Parts = Stores & { config: Config; logger: Logger; composition: Composition };

class RunningApp implements App {
  private readonly parts: Parts;
  private front: Front | null = null;
  private ops: Awaited<ReturnType<typeof listenForOps>> | null = null;
  private ending: Promise<void> | null = null;
  private isStopping = false;
  ran: Promise<void> | null = null;
  closing: string | null = null;

  constructor(parts: Parts) {
    this.parts = parts;
  }

  get url(): string | null {
    return this.front?.url ?? null;
  }

  get opsUrl(): string | null {
    return this.ops?.url ?? null;
  }

  get scripted(): ScriptedServer | null {
    return this.parts.scripted;
  }

  /** Opens the ports of this role. Where one cannot be had, everything is closed again. */
  async listen(): Promise<void> {
    const { config, logger, composition, database } = this.parts;
    const health: Health = { isReady: () => this.isReady(), workers: createWorkersCheck(database) };
    const place: FrontDeps = { config, logger, composition, database, health };
    const { port, host } = config.metrics;
    try {
      if (config.role !== 'worker') this.front = await serve(place);
      if (port !== null) this.ops = await listenForOps(place, { host, port }, this.front);
    } catch (error) {
      await this.abandon();
      throw error;
    }
  }

  /** Begins to run turns, where this role does: all that come, or one alone. */
  work(only: IsolatedTurn | null): void {
    const { worker, heartbeat } = this.parts.composition;
    if (only && worker) this.ran = worker.runIsolated(only);
    else {
      worker?.start();
      heartbeat?.start();
    }
  }

  close(graceMs: number = this.parts.config.drain.graceMs): Promise<void> {
    this.ending ??= this.end(graceMs);
    return this.ending;
  }

  private async isReady(): Promise<boolean> {
    return !this.isStopping && (await Promise.race([answers(this.parts.database), pause(2_000).then(() => false)]));
  }

  private async abandon(): Promise<void> {
    const { composition, scripted, database } = this.parts;
    await this.front?.close();
    await composition.close();
    await scripted?.close();
    await database.close();
  }

  private async end(graceMs: number): Promise<void> {
    this.isStopping = true; // nobody is sent here any more; who is here is served while the worker drains
    const { composition, scripted, database } = this.parts;
    const unregistered = composition.heartbeat?.stop();
    const ends: [name: string, close: () => Promise<void> | undefined | void][] = [
      ['the worker', () => composition.worker?.drain(graceMs)],
      ['the heartbeat', () => unregistered],
      ['the readers', () => composition.pace.hurry(lastWordsMs)],
      ['the sockets', () => this.front?.close()],
      ['Redis and the streams', () => composition.close()],
      ['the scripted model', () => scripted?.close()],
      ['the health checks', () => this.ops?.close()],
      ['the database', () => database.close()],
      ['the spans', () => flushSpans()],
    ];
    for (const [name, end] of ends) {
      this.closing = name;
      await end();
    }
    this.closing = null;
  }
}

/**
 * The scripted server is spoken to as any other compatible server; only its address and a key for form's sake are set.
 */
const withModel = (config: Config, baseUrl: string): Config => ({
  ...config,
  providers: { ...config.providers, openai: { ...config.providers.openai, baseUrl, apiKey: 'scripted' } },
});

/** GraphQL is loaded by processes that serve it: the others start sooner, and take less memory. */
const serve = async (place: FrontDeps): Promise<Front> => (await import('./front/front.ts')).listen(place);

type Opened = Awaited<ReturnType<typeof openDatabase>>;

/** The port for those who watch over the process. */
async function listenForOps(
  { config, logger, composition, database, health }: FrontDeps,
  at: { host: string; port: number },
  front: Front | null,
) {
  const { metrics, frames, worker, bus } = composition;
  const { concurrency, perUser } = config.turns;
  const sockets = () => front?.sockets() ?? 0;
  const scrape = createScrape({
    metrics,
    database,
    frames,
    worker,
    concurrency,
    perUser,
    sockets,
    isConnected: () => bus.isConnected(),
  });
  const onFault = (err: unknown) => logger.error({ err }, 'metrics could not be told');
  const server = createOpsServer({ ...health, scrape, contentType: metrics.contentType, onFault });
  const url = await listenAt(server, at, 'METRICS_PORT');
  metrics.watchProcess();
  await scrape(); // so that the clock of the database is known to the first frames
  logger.info({ url }, 'metrics, liveness and readiness are here');
  return {
    url,
    close(): void {
      server.close();
      server.closeAllConnections();
    },
  };
}

async function reach(database: Opened, url: string): Promise<void> {
  await database.query('SELECT 1').catch((error: unknown) => {
    throw databaseFault(url, error);
  });
}

/** Whether the database answers, and can store what it is given. */
const answers = (database: Opened): Promise<boolean> =>
  database.query('SELECT 1').then(
    () => database.hasRoom(),
    () => false,
  );
