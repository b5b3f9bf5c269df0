import type { StopRequest, TurnStatus } from '../../contracts/turn.ts';
import type { Viewer } from '../../contracts/viewer.ts';
import type { Prisma } from '../../generated/prisma/client.ts';
import type { Database, Db } from '../../platform/db.ts';
import { visibleTo } from '../conversations/index.ts';

export const findTurn = (db: Db, viewer: Viewer, id: string) => db.turn.findFirst({ where: { id, conversation: visibleTo(viewer) } });

export const findTurnByKey = (db: Db, viewer: Viewer, idempotencyKey: string) =>
  db.turn.findFirst({ where: { ownerId: viewer.userId, idempotencyKey, conversation: visibleTo(viewer) } });

/** Any turn of this key, also of a conversation that was deleted since: the key stays used until that is purged. */
export const findAdmitted = (db: Db, viewer: Viewer, idempotencyKey: string) =>
  db.turn.findFirst({ where: { ownerId: viewer.userId, idempotencyKey } });

export const findLastTurn = (db: Db, conversationId: string) => db.turn.findFirst({ where: { conversationId }, orderBy: { ordinal: 'desc' } });

export const insertTurn = (tx: Db, data: Prisma.TurnUncheckedCreateInput) => tx.turn.create({ data });

/** Unfinished turns of the conversation before this place: how long its queue is. */
export const countAhead = (db: Db, conversationId: string, ordinal: bigint): Promise<number> =>
  db.turn.count({ where: { conversationId, finishedAt: null, ordinal: { lt: ordinal } } });

/** Live and queued turns of a conversation, locked, in the order of its queue. The key stays free: appends refer to it while they hold the log. */
export const lockUnfinished = (tx: Db, conversationId: string): Promise<{ id: string; status: TurnStatus }[]> =>
  tx.$queryRaw`
    SELECT id, status::text AS status FROM turn
    WHERE conversation_id = ${conversationId}::uuid AND finished_at IS NULL ORDER BY ordinal FOR NO KEY UPDATE`;

/** The status of one turn, with its row locked. */
export async function lockTurn(tx: Db, id: string): Promise<TurnStatus | null> {
  const rows = await tx.$queryRaw<{ status: TurnStatus }[]>`SELECT status::text AS status FROM turn WHERE id = ${id}::uuid FOR NO KEY UPDATE`;
  return rows[0]?.status ?? null;
}

/** Asks the worker to stop. The first request counts: what its client saw is what is kept. */
export const requestStop = (tx: Db, id: string, request: StopRequest) =>
  tx.$executeRaw`
    UPDATE turn SET stop_requested_at = now(), stop_request = ${JSON.stringify(request)}::jsonb WHERE id = ${id}::uuid AND stop_requested_at IS NULL`;

/** Moves a turn to a terminal state, where it may move there and this writer still holds it. False: it may not, or does not. */
export async function finishTurn(
  tx: Db,
  id: string,
  from: TurnStatus[],
  fence: number | null,
  data: Prisma.TurnUncheckedUpdateManyInput & { finishedAt: Date },
): Promise<boolean> {
  const { count } = await tx.turn.updateMany({
    where: { id, status: { in: from }, ...(fence === null ? {} : { fence }) },
    data: { ...data, leaseUntil: null },
  });
  return count === 1;
}

/** Cancels turns that no worker has begun, and returns how many those were. */
export const cancelTurns = (tx: Db, ids: readonly string[]): Promise<number> =>
  tx.$executeRaw`
    UPDATE turn SET status = 'CANCELLED', finish_reason = 'USER_STOPPED', finished_at = now(), lease_until = NULL
    WHERE id = ANY(${ids}::uuid[]) AND status = 'QUEUED'`;

/** Makes the next turn of a conversation one that may be claimed, when the one before it has ended. Under the lock of the conversation. */
export const unblockNext = (tx: Db, conversationId: string): Promise<number> =>
  tx.$executeRaw`
    UPDATE turn SET blocked = false WHERE blocked AND id = (
      SELECT id FROM turn WHERE conversation_id = ${conversationId}::uuid AND finished_at IS NULL ORDER BY ordinal LIMIT 1)`;

/**
 * The same for whatever nobody unblocked: where the turn before was ended by a hand in the database, or by a process of a version that
 * blocks none. A queue must not wait for ever.
 */
export const unblockStrays = (database: Database, limit: number): Promise<unknown> =>
  database.query(
    `UPDATE turn SET blocked = false WHERE blocked AND id IN (
       SELECT id FROM (
         SELECT DISTINCT ON (conversation_id) id, blocked FROM turn WHERE finished_at IS NULL ORDER BY conversation_id, ordinal) AS head
       WHERE blocked LIMIT $1)`,
    [limit],
  );

/**
 * Prolongs the leases of the turns this process runs. Returns those it still holds, with any request to stop. A row that somebody has locked
 * is passed over: one settlement that takes its time must not keep the leases of all the others waiting until they run out.
 */
export const renewLeases = (
  database: Database,
  held: readonly { id: string; fence: number }[],
  leaseMs: number,
): Promise<{ id: string; stopRequest: StopRequest | null }[]> =>
  database.query(
    `WITH held AS (
       SELECT t.id, t.stop_request FROM json_to_recordset($1::json) AS h(id uuid, fence int) JOIN turn t ON t.id = h.id
       WHERE t.fence = h.fence AND t.finished_at IS NULL
     ), free AS (
       SELECT t.id FROM turn t JOIN json_to_recordset($1::json) AS h(id uuid, fence int) ON t.id = h.id AND t.fence = h.fence
       WHERE t.finished_at IS NULL FOR NO KEY UPDATE OF t SKIP LOCKED
     ), renewed AS (
       UPDATE turn t SET lease_until = now() + $2::int * interval '1 millisecond' FROM free WHERE t.id = free.id
     )
     SELECT id, stop_request AS "stopRequest" FROM held`,
    [JSON.stringify(held), leaseMs],
  );

/** Lets another worker take the turn at once. */
export const releaseLease = (database: Database, id: string, fence: number): Promise<unknown> =>
  database.query('UPDATE turn SET lease_until = now() WHERE id = $1::uuid AND fence = $2 AND finished_at IS NULL', [id, fence]);

/** More unfinished turns than this are not counted: whoever looks must not slow the database that is behind. */
const countedTurns = 100_000;

export type Backlog = {
  counts: Partial<Record<TurnStatus, number>>;
  /** Seconds that the oldest turn has waited that a worker could take; null where there is none. */
  queueAge: number | null;
  /** The time of the database. */
  now: Date;
};

/** What is not done yet. Reads the indexes of unfinished turns only, however many have ended. */
export async function readBacklog(database: Pick<Database, 'query'>): Promise<Backlog> {
  const [row] = await database.query<Backlog>(
    `SELECT clock_timestamp() AS now,
       (SELECT extract(epoch FROM now() - t.created_at)::float8 FROM turn t
        WHERE t.status = 'QUEUED' AND NOT t.blocked AND NOT EXISTS (
          SELECT 1 FROM turn o WHERE o.conversation_id = t.conversation_id AND o.finished_at IS NULL AND o.ordinal < t.ordinal)
        ORDER BY t.created_at LIMIT 1) AS "queueAge",
       (SELECT coalesce(json_object_agg(status, count), '{}') FROM (
          SELECT status, count(*) AS count FROM (SELECT status FROM turn WHERE finished_at IS NULL LIMIT $1::int) u GROUP BY status) s) AS counts`,
    [countedTurns],
  );
  return row!;
}
