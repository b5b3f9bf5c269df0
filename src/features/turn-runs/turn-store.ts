import type { StopRequest, TurnStatus } from '../../contracts/turn.ts';
import type { Viewer } from '../../contracts/viewer.ts';
import type { Prisma } from '../../generated/prisma/client.ts';
import type { Database, Db } from '../../platform/db.ts';
import { visibleTo } from '../conversations/index.ts';

export const findTurn = (db: Db, viewer: Viewer, id: string) => db.turn.findFirst({ where: { id, conversation: visibleTo(viewer) } });

export const findTurnByKey = (db: Db, viewer: Viewer, idempotencyKey: string) =>
  db.turn.findFirst({ where: { ownerId: viewer.userId, idempotencyKey, conversation: visibleTo(viewer) } });

/** Any turn of this key, also of a conversation that was deleted since: the key stays used. */
export const findAdmitted = (db: Db, viewer: Viewer, idempotencyKey: string) =>
  db.turn.findFirst({ where: { ownerId: viewer.userId, idempotencyKey } });

export const findLastTurn = (db: Db, conversationId: string) => db.turn.findFirst({ where: { conversationId }, orderBy: { ordinal: 'desc' } });

export const insertTurn = (tx: Db, data: Prisma.TurnUncheckedCreateInput) => tx.turn.create({ data });

/** Unfinished turns of the conversation before this place: how long its queue is. */
export const countAhead = (db: Db, conversationId: string, ordinal: bigint): Promise<number> =>
  db.turn.count({ where: { conversationId, finishedAt: null, ordinal: { lt: ordinal } } });

/** Live and queued turns of a conversation, locked, oldest first. The key stays free: appends refer to it while they hold the log. */
export const lockUnfinished = (tx: Db, conversationId: string): Promise<{ id: string; status: TurnStatus; inputMessageId: string | null }[]> =>
  tx.$queryRaw`
    SELECT id, status::text AS status, input_message_id AS "inputMessageId" FROM turn
    WHERE conversation_id = ${conversationId}::uuid AND finished_at IS NULL ORDER BY ordinal FOR NO KEY UPDATE`;

/** The status of one turn, with its row locked. */
export async function lockTurn(tx: Db, id: string): Promise<TurnStatus | null> {
  const rows = await tx.$queryRaw<{ status: TurnStatus }[]>`SELECT status::text AS status FROM turn WHERE id = ${id}::uuid FOR NO KEY UPDATE`;
  return rows[0]?.status ?? null;
}

/** Asks the worker to stop. The first request counts: what its client saw is what is kept. */
export const requestStop = (tx: Db, id: string, request: StopRequest) =>
  tx.turn.updateMany({ where: { id, stopRequestedAt: null }, data: { stopRequestedAt: new Date(), stopRequest: request } });

/** Moves a turn to a terminal state, where it may move there and this writer still holds it. False: it may not, or does not. */
export async function finishTurn(
  tx: Db,
  id: string,
  from: TurnStatus[],
  fence: number | null,
  data: Prisma.TurnUncheckedUpdateManyInput,
): Promise<boolean> {
  const { count } = await tx.turn.updateMany({
    where: { id, status: { in: from }, ...(fence === null ? {} : { fence }) },
    data: { ...data, finishedAt: new Date(), leaseUntil: null },
  });
  return count === 1;
}

/** Prolongs the leases of the turns this process runs. Returns those it still holds, with any request to stop. */
export const renewLeases = (
  database: Database,
  held: readonly { id: string; fence: number }[],
  leaseMs: number,
): Promise<{ id: string; stopRequest: StopRequest | null }[]> =>
  database.query(
    `UPDATE turn t SET lease_until = now() + $2::int * interval '1 millisecond'
     FROM json_to_recordset($1::json) AS h(id uuid, fence int)
     WHERE t.id = h.id AND t.fence = h.fence AND t.finished_at IS NULL
     RETURNING t.id, t.stop_request AS "stopRequest"`,
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
        WHERE t.status = 'QUEUED' AND NOT EXISTS (
          SELECT 1 FROM turn o WHERE o.conversation_id = t.conversation_id AND o.finished_at IS NULL AND o.ordinal < t.ordinal)
        ORDER BY t.created_at LIMIT 1) AS "queueAge",
       (SELECT coalesce(json_object_agg(status, count), '{}') FROM (
          SELECT status, count(*) AS count FROM (SELECT status FROM turn WHERE finished_at IS NULL LIMIT $1::int) u GROUP BY status) s) AS counts`,
    [countedTurns],
  );
  return row!;
}
