import { readBacklog } from '../../features/turns/index.ts';
import { readWorkers, type Worker } from '../../features/worker/index.ts';
import { pause } from '../../kernel/async.ts';
import type { Database } from '../../platform/db.ts';
import type { Metrics } from '../../platform/telemetry/metrics.ts';
import type { FrameMeter } from './meters.ts';

type Deps = {
  metrics: Metrics;
  database: Database;
  frames: FrameMeter;
  worker: Worker | null;
  concurrency: number;
  perUser: number;
  /** Null where there is no Redis to be connected to. */
  isConnected: () => boolean | null;
  sockets: () => number;
};

const states = ['QUEUED', 'RUNNING', 'RECOVERING'] as const;
/** Prometheus gives up after ten seconds; a database that is away must not cost it the rest. */
const patienceMs = 2_000;

/** Reads what is a state and no event, once for each scrape. */
export function createScrape({
  metrics,
  database,
  frames,
  worker,
  concurrency,
  perUser,
  isConnected,
  sockets,
}: Deps): () => Promise<string> {
  async function readDatabase(): Promise<void> {
    const sent = Date.now();
    const reading = Promise.all([readBacklog(database, perUser), readWorkers(database)]).catch(() => null);
    const [backlog, workers] = (await Promise.race([reading, pause(patienceMs).then(() => null)])) ?? [];
    metrics.databaseUp.set(backlog ? 1 : 0);
    metrics.workers.set(workers?.running ?? Number.NaN);
    metrics.turns.reset();
    metrics.queueAge.set(Number.NaN);
    if (!backlog) return; // rather no value than an old one
    metrics.queueAge.set(backlog.queueAge ?? 0);
    frames.setClock(backlog.now, sent, Date.now());
    for (const state of states) metrics.turns.set({ state }, 0);
    for (const [state, count] of Object.entries(backlog.counts)) metrics.turns.set({ state }, count);
  }

  function readProcess(): void {
    metrics.workerRunning.set(worker?.running ?? 0);
    metrics.workerCapacity.set(worker ? concurrency : 0);
    metrics.sockets.set(sockets());
    const connected = isConnected();
    if (connected !== null) metrics.redisUp.set(connected ? 1 : 0);
    for (const { name: pool, used, idle, waiting, max } of database.pools()) {
      metrics.pool.set({ pool, state: 'used' }, used);
      metrics.pool.set({ pool, state: 'idle' }, idle);
      metrics.poolWaiting.set({ pool }, waiting);
      metrics.poolLimit.set({ pool }, max);
    }
  }

  return async () => {
    readProcess(); // before the statement of the scrape itself takes a connection
    await readDatabase();
    return metrics.text();
  };
}
