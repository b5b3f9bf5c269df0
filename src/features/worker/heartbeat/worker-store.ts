import type { Database } from '../../../platform/db.ts';

/** A worker as it registers itself: `id` is the name that turns have it by. */
export type WorkerFacts = { id: string; host: string; pid: number; turnsLimit: number };

/** Who works: how many run now, and when any was heard of last. By the clock of the database. */
export type Workforce = { running: number; lastHeartbeatAt: Date | null };

type Db = Pick<Database, 'query'>;

/** How often a worker says that it runs. */
export const heartbeatMs = 5_000;
/** One that missed two heartbeats, and is late with the third, does not run. */
const silentMs = 3 * heartbeatMs;
/** For so long a worker that was lost can still be seen. */
const forgetMs = 3_600_000;
/** Rows of lost workers that one statement removes. */
const maxRemoved = 1_000;

/**
 * $1 id, $2 host, $3 pid, $4 turns at once, $5 for how many ms it runs already. A row that was removed meanwhile comes
 * back as it was.
 */
const heartbeat = `
INSERT INTO worker (id, host, pid, turns_limit, started_at, heartbeat_at)
VALUES ($1, $2, $3::int, $4::int, now() - $5::float8 * interval '1 millisecond', now())
ON CONFLICT (id) DO UPDATE SET heartbeat_at = now()`;

export async function upsertHeartbeat(
  db: Db,
  { id, host, pid, turnsLimit }: WorkerFacts,
  uptimeMs: number,
): Promise<void> {
  await db.query(heartbeat, [id, host, pid, turnsLimit, uptimeMs]);
}

export async function deleteWorker(db: Db, id: string): Promise<void> {
  await db.query('DELETE FROM worker WHERE id = $1', [id]);
}

export async function readWorkers(db: Db): Promise<Workforce> {
  const [row] = await db.query<Workforce>(
    `SELECT (count(*) FILTER (WHERE heartbeat_at > now() - $1::int * interval '1 millisecond'))::int AS running,
       max(heartbeat_at) AS "lastHeartbeatAt" FROM worker`,
    [silentMs],
  );
  return row!;
}

/** Forgets workers that were lost long ago. Of several processes that do it at once, none waits for another. */
export async function deleteStaleWorkers(db: Db): Promise<void> {
  await db.query(
    `DELETE FROM worker WHERE id IN (
       SELECT id FROM worker WHERE heartbeat_at < now() - $1::int * interval '1 millisecond' LIMIT $2::int
         FOR UPDATE SKIP LOCKED)`,
    [forgetMs, maxRemoved],
  );
}
