import { pause } from '../../../kernel/async.ts';
import type { Database } from '../../../platform/db.ts';
import type { Logger } from '../../../platform/logger.ts';
import { deleteWorker, heartbeatMs, upsertHeartbeat, type WorkerFacts } from './worker-store.ts';

type Deps = {
  database: Pick<Database, 'query'>;
  logger: Pick<Logger, 'warn' | 'info'>;
  worker: WorkerFacts;
  everyMs?: number;
};

/** How long an end waits for a database that does not answer: the row counts as silent soon after in any case. */
const patienceMs = 1_000;

/**
 * Says that a worker runs, for as long as it looks for turns. A loop of its own, with one statement under way at the
 * most: no other work delays it, and it delays none. A database that is away is told of once.
 */
export function createHeartbeat({ database, logger, worker, everyMs = heartbeatMs }: Deps) {
  const ending = new AbortController();
  const startedAt = performance.now();
  let beating: Promise<void> = Promise.resolve();
  let isLost = false;
  let stopped: Promise<void> | null = null;

  async function beat(): Promise<void> {
    try {
      await upsertHeartbeat(database, worker, performance.now() - startedAt);
      if (isLost) logger.info({ worker: worker.id }, 'the heartbeat of this worker is stored again');
      isLost = false;
    } catch (err) {
      if (!isLost)
        logger.warn(
          { err, worker: worker.id },
          'the heartbeat of this worker could not be stored: it counts as away until it is',
        );
      isLost = true;
    }
  }

  async function loop(): Promise<void> {
    while (!ending.signal.aborted) {
      await beat();
      await pause(everyMs, ending.signal);
    }
  }

  /** The last heartbeat is over before the row goes, where the database answers: else it would come back. */
  async function leave(): Promise<void> {
    ending.abort();
    const patience = new AbortController();
    const deleted = beating.then(() => deleteWorker(database, worker.id)).catch(() => {});
    await Promise.race([deleted, pause(patienceMs, patience.signal)]);
    patience.abort();
  }

  return {
    start(): void {
      beating = loop();
    },
    /** Nobody counts on this worker from now on. Never rejects. */
    stop: (): Promise<void> => (stopped ??= leave()),
  };
}

export type Heartbeat = ReturnType<typeof createHeartbeat>;
