import type { FinishReason } from '../../../contracts/message.ts';
import type { Generation } from '../../../contracts/model-provider.ts';
import type { StopRequest, TurnStatus, TurnTrigger } from '../../../contracts/turn.ts';
import type { Viewer } from '../../../contracts/viewer.ts';
import { epochOf, logOf } from '../../../events/index.ts';
import type { Database, Db, Transaction, Tx } from '../../../platform/db.ts';
import { visibleTo } from '../../conversations/index.ts';
import { goesOn } from './parking.ts';
import { firstOwner, rankOwners } from './queue.sql.ts';

export const findTurn = (db: Db, viewer: Viewer, id: string) =>
  db.turn.findFirst({ where: { id, conversation: visibleTo(viewer) } });

/** With how its answer is generated: for a turn that is made of it, not for answers. */
export const findWholeTurn = (db: Db, viewer: Viewer, id: string) =>
  db.turn.findFirst({
    where: { id, conversation: visibleTo(viewer) },
    omit: { generation: false, stopRequest: false },
  });

export const findTurnByKey = (db: Db, viewer: Viewer, idempotencyKey: string) =>
  db.turn.findFirst({ where: { ownerId: viewer.userId, idempotencyKey, conversation: visibleTo(viewer) } });

/**
 * For answers, where whoever asks may see it: read in one statement with whatever others are asked for at that moment.
 */
export const readTurnRow = (db: Db, id: string) => db.turn.findUniqueOrThrow({ where: { id } });

/** Null where there is no such turn any more. */
export const readStatus = async (db: Db, id: string) =>
  (await db.turn.findUnique({ where: { id }, select: { status: true } }))?.status ?? null;

/** Whether a turn has ended in the hands of this writer. */
export const isSettledBy = async (db: Db, { id, fence }: { id: string; fence: number }): Promise<boolean> =>
  (await db.turn.count({ where: { id, fence, finishedAt: { not: null } } })) === 1;

/** The turn of a conversation that runs, or the next in its queue. */
export const findLive = (db: Db, conversationId: string) =>
  db.turn.findFirst({ where: { conversationId, finishedAt: null }, orderBy: { ordinal: 'asc' } });

/** What an earlier request with the same key made. */
export type AdmittedTurn = {
  id: string;
  conversationId: string;
  inputMessageId: string | null;
  requestHash: string;
  logStart: number;
  epoch: number;
};

/** Any turn of this key, also of a conversation that was deleted since: the key stays used until that is purged. */
export async function findAdmitted(tx: Tx, viewer: Viewer, idempotencyKey: string): Promise<AdmittedTurn | null> {
  const [row] = await tx.query<AdmittedTurn>(
    `SELECT id, conversation_id AS "conversationId", input_message_id AS "inputMessageId",
      request_hash AS "requestHash", log_start AS "logStart",
       coalesce(${epochOf('turn.conversation_id')}, 1) AS epoch
     FROM turn WHERE owner_id = $1::uuid AND idempotency_key = $2`,
    [viewer.userId, idempotencyKey],
  );
  return row ?? null;
}

export async function findLastTurn(tx: Tx, conversationId: string): Promise<{ id: string; status: TurnStatus } | null> {
  const [row] = await tx.query<{ id: string; status: TurnStatus }>(
    'SELECT id, status FROM turn WHERE conversation_id = $1::uuid AND steered_at IS NULL ORDER BY ordinal DESC LIMIT 1',
    [conversationId],
  );
  return row ?? null;
}

type NewTurn = {
  id: string;
  conversationId: string;
  ownerId: string;
  trigger: TurnTrigger;
  idempotencyKey: string;
  requestHash: string;
  inputMessageId: string | null;
  /** The last message of the branch that was shown before. */
  leafBeforeId: string | null;
  provider: string;
  model: string;
  generation: Generation;
  /** The turn that may read its question while it runs. */
  steersId: string | null;
  /** Whether the same transaction makes its conversation. */
  isFirst: boolean;
};

/**
 * Where a new turn stands: `position` counts the unfinished turns before it, `logStart` is the head of the log before
 * its first event, in `epoch`.
 */
export type QueuePosition = { position: number; logStart: number; epoch: number };

/**
 * Puts a turn at the end of its conversation, which the caller has locked. Of one that is the first, the answer is
 * known.
 */
export async function insertTurn(tx: Transaction, turn: NewTurn): Promise<QueuePosition> {
  const insertion = [
    `WITH place AS (
       SELECT coalesce((SELECT ordinal FROM turn WHERE conversation_id = $2::uuid ORDER BY ordinal DESC
         LIMIT 1), 0) + 1 AS ordinal,
         (SELECT count(*) FROM turn WHERE conversation_id = $2::uuid AND finished_at IS NULL) AS position,
         head, epoch FROM ${logOf('$2::uuid')}
     ), admitted AS (
       INSERT INTO turn (id, conversation_id, owner_id, ordinal, trigger, blocked, idempotency_key,
         request_hash, input_message_id, provider,
         model, generation, log_start, leaf_before_id, steers_id)
       SELECT $1, $2, $3, ordinal, $4, position > 0, $5, $6, $7, $8, $9, $10, head, $11, $12 FROM place
     )
     SELECT position, head AS "logStart", epoch FROM place`,
    [
      ...[
        turn.id,
        turn.conversationId,
        turn.ownerId,
        turn.trigger,
        turn.idempotencyKey,
        turn.requestHash,
        turn.inputMessageId,
        turn.provider,
      ],
      ...[turn.model, JSON.stringify(turn.generation), turn.leafBeforeId, turn.steersId],
    ],
  ] as const;
  if (turn.isFirst) {
    tx.pipeline(...insertion);
    return { position: 0, logStart: 0, epoch: 1 };
  }
  const [row] = await tx.query<QueuePosition>(...insertion);
  return row!;
}

/** A turn that is not done, with the message that was shown before it. */
export type UnfinishedTurn = { id: string; status: TurnStatus; trigger: TurnTrigger; leafBeforeId: string | null };

/**
 * Live and queued turns of a conversation, locked, in the order of its queue. The key stays free: appends refer to it
 * while they hold the log.
 */
export const lockUnfinished = (tx: Tx, conversationId: string): Promise<UnfinishedTurn[]> =>
  tx.query(
    `SELECT id, status, trigger, leaf_before_id AS "leafBeforeId" FROM turn WHERE conversation_id = $1::uuid
      AND finished_at IS NULL ORDER BY ordinal FOR NO KEY UPDATE`,
    [conversationId],
  );

/** The status of one turn, with its row locked. */
export async function lockTurn(tx: Tx, id: string): Promise<TurnStatus | null> {
  const [row] = await tx.query<{ status: TurnStatus }>(
    'SELECT status FROM turn WHERE id = $1::uuid FOR NO KEY UPDATE',
    [id],
  );
  return row?.status ?? null;
}

/**
 * Locks a turn that this fence still holds; false where it does not, or where it waits for somebody and is in nobody's
 * hands.
 */
export async function lockHeld(tx: Tx, { id, fence }: { id: string; fence: number }): Promise<boolean> {
  const rows = await tx.query(
    `SELECT 1 FROM turn WHERE id = $1::uuid AND fence = $2 AND worker IS NOT NULL AND finished_at IS NULL
      FOR NO KEY UPDATE`,
    [id, fence],
  );
  return rows.length === 1;
}

/** Counts one more attempt, and returns its number. */
export async function nextAttempt(tx: Tx, id: string): Promise<number> {
  const [row] = await tx.query<{ attempt: number }>(
    'UPDATE turn SET attempt = attempt + 1 WHERE id = $1::uuid RETURNING attempt',
    [id],
  );
  return row!.attempt;
}

/**
 * Asks the worker to stop. The first request counts, what its client saw is what is kept; but that another turn takes
 * its place is added to any. A turn that waits for somebody has no worker: the next one that looks takes it up, to end
 * it.
 */
export const requestStop = (tx: Tx, id: string, { supersedes, ...request }: StopRequest): Promise<unknown> =>
  tx.query(
    `UPDATE turn SET ${goesOn()}, stop_requested_at = coalesce(stop_requested_at, now()),
      stop_request = coalesce(stop_request, $2::jsonb) || $3::jsonb
     WHERE id = $1::uuid AND (stop_requested_at IS NULL OR $3::jsonb <> '{}')`,
    [id, JSON.stringify(request), JSON.stringify({ supersedes })],
  );

/**
 * Makes the next turn of a conversation one that may be claimed, when those before it end. Under the lock of the
 * conversation.
 */
export const unblockNext = (conversation: string, ended: string): string => `
  UPDATE turn SET blocked = false WHERE blocked AND id = (
    SELECT id FROM turn WHERE conversation_id = ${conversation} AND finished_at IS NULL AND id <> ALL(${ended})
      ORDER BY ordinal LIMIT 1)`;

/** Ends turns that no worker has begun, and returns how many those were. */
export async function endQueued(
  tx: Tx,
  conversationId: string,
  ids: readonly string[],
  { status, finishReason }: { status: TurnStatus; finishReason: FinishReason },
): Promise<number> {
  const rows = await tx.query(
    `WITH next AS (${unblockNext('$1::uuid', '$2::uuid[]')})
     UPDATE turn SET status = $3, finish_reason = $4, finished_at = now(), lease_until = NULL
     WHERE id = ANY($2::uuid[]) AND status = 'QUEUED' RETURNING 1`,
    [conversationId, ids, status, finishReason],
  );
  return rows.length;
}

/**
 * The same for whatever nobody unblocked: where the turn before was ended by a hand in the database, or by a process of
 * a version that blocks none. A queue must not wait for ever.
 */
export const unblockStrays = (database: Database, limit: number): Promise<unknown> =>
  database.query(
    `UPDATE turn SET blocked = false WHERE blocked AND id IN (
       SELECT id FROM (
         SELECT DISTINCT ON (conversation_id) id, blocked FROM turn WHERE finished_at IS NULL
           ORDER BY conversation_id, ordinal) AS head
       WHERE blocked LIMIT $1)`,
    [limit],
  );

/**
 * Prolongs the leases of the turns this process runs. Returns those it still holds, with any request to stop. A row
 * that somebody has locked is passed over: one settlement that takes its time must not keep the leases of all the
 * others waiting until they run out.
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
       SELECT t.id FROM turn t JOIN json_to_recordset($1::json) AS h(id uuid, fence int) ON t.id = h.id
         AND t.fence = h.fence
       WHERE t.finished_at IS NULL AND t.worker IS NOT NULL FOR NO KEY UPDATE OF t SKIP LOCKED
     ), renewed AS (
       UPDATE turn t SET lease_until = now() + $2::int * interval '1 millisecond' FROM free WHERE t.id = free.id
     )
     SELECT id, stop_request AS "stopRequest" FROM held`,
    [JSON.stringify(held), leaseMs],
  );

/** Lets another worker take the turn at once. */
export const releaseLease = (database: Database, id: string, fence: number): Promise<unknown> =>
  database.query('UPDATE turn SET lease_until = now() WHERE id = $1::uuid AND fence = $2 AND finished_at IS NULL', [
    id,
    fence,
  ]);

/** More unfinished turns than this are not counted: whoever looks must not slow the database that is behind. */
const countedTurns = 100_000;

export type Backlog = {
  counts: Partial<Record<TurnStatus, number>>;
  /**
   * Seconds that the oldest turn has waited that a worker could take, of the 1,000 users who were the first; null where
   * there is none.
   */
  queueAge: number | null;
  /** The time of the database. */
  now: Date;
};

const waitingOwners = rankOwners({ perUser: '(SELECT $2::int)', after: '(SELECT $3::uuid)', most: 1_000 });

/**
 * What is not done yet, where so many turns of one user may run. Reads the indexes of unfinished turns only, however
 * many have ended.
 */
export async function readBacklog(database: Pick<Database, 'query'>, perUser: number): Promise<Backlog> {
  const [row] = await database.query<Backlog>(
    `WITH RECURSIVE ${waitingOwners}
     SELECT clock_timestamp() AS now, (SELECT extract(epoch FROM now() - min(created_at))::float8
       FROM ranked) AS "queueAge",
       (SELECT coalesce(json_object_agg(status, count), '{}') FROM (
          SELECT status, count(*) AS count FROM (SELECT status FROM turn WHERE finished_at IS NULL
            LIMIT $1::int) u GROUP BY status) s) AS counts`,
    [countedTurns, perUser, firstOwner],
  );
  return row!;
}
