import type { Generation } from '../../contracts/model-provider.ts';
import type { StopRequest } from '../../contracts/turn.ts';
import type { EventBody } from '../../contracts/turn-event.ts';
import type { EventLog } from '../../events/index.ts';
import type { Db } from '../../platform/db.ts';
import { appendMessage } from '../conversations/index.ts';
import { insertAttempt } from './attempt-store.ts';

/** A turn in this worker's hands. `fence` must accompany every later write. */
export type ClaimedTurn = {
  id: string;
  conversationId: string;
  ownerId: string | null;
  sessionId: string;
  inputMessageId: string | null;
  inputOrdinal: bigint;
  /** The answer that is being written. */
  messageId: string;
  provider: string;
  model: string;
  generation: Generation;
  systemPrompt: string;
  fence: number;
  attempt: number;
  logStart: number;
  stopRequest: StopRequest | null;
  /** Whether an earlier worker began it. */
  recovering: boolean;
};

type ClaimedRow = Omit<ClaimedTurn, 'messageId'> & { messageId: string | null; at: Date };

/**
 * Takes the oldest turn that nobody runs: the first of a conversation's queue, or one whose worker let its lease run out. Null: none.
 * Database time decides, and a row that another worker is taking is passed over; so is one whose conversation somebody is changing just now,
 * who rings or whose turn the next look finds. What this worker runs itself it does not take from itself, however late its renewals come.
 */
export const claimNext = (log: EventLog, worker: string, leaseMs: number, running: readonly string[] = []): Promise<ClaimedTurn | null> =>
  log.transact(async (tx, append) => {
    const taken = await take(tx, worker, leaseMs, running);
    if (!taken) return null;
    const { at: _, ...row } = taken;
    await insertAttempt(tx, { turnId: row.id, number: row.attempt, worker, recovery: 'FRESH' });
    const messageId = row.messageId ?? (await beginAnswer(tx, taken));
    await tx.$executeRaw`
      UPDATE conversation_log SET writer_turn_id = ${row.id}::uuid, writer_fence = ${row.fence}, writer_batch = 0
      WHERE conversation_id = ${row.conversationId}::uuid`;
    await append(row.conversationId, row.id, claimEvents(taken, messageId));
    return { ...row, messageId };
  });

async function take(tx: Db, worker: string, leaseMs: number, running: readonly string[]): Promise<ClaimedRow | null> {
  const rows = await tx.$queryRaw<ClaimedRow[]>`
    WITH expired AS (
      SELECT t.id FROM turn t JOIN conversation c ON c.id = t.conversation_id
      WHERE t.status IN ('RUNNING', 'RECOVERING') AND t.lease_until < now() AND t.id <> ALL(${running}::uuid[])
      ORDER BY t.created_at LIMIT 1 FOR NO KEY UPDATE OF c, t SKIP LOCKED
    ), queued AS (
      SELECT t.id FROM turn t JOIN conversation c ON c.id = t.conversation_id
      WHERE t.status = 'QUEUED' AND NOT t.blocked AND NOT EXISTS (
        SELECT 1 FROM turn o WHERE o.conversation_id = t.conversation_id AND o.finished_at IS NULL AND o.ordinal < t.ordinal)
      ORDER BY t.created_at LIMIT 1 FOR NO KEY UPDATE OF c, t SKIP LOCKED
    ), due AS (
      SELECT id, true AS recovering FROM expired UNION ALL SELECT id, false FROM queued LIMIT 1
    )
    UPDATE turn t
    SET status = (CASE WHEN due.recovering THEN 'RECOVERING' ELSE 'RUNNING' END)::turn_status, fence = t.fence + 1, attempt = t.attempt + 1,
        worker = ${worker}, lease_until = now() + ${leaseMs}::int * interval '1 millisecond', started_at = coalesce(t.started_at, now())
    FROM due, conversation c
    WHERE t.id = due.id AND c.id = t.conversation_id
    RETURNING t.id, t.conversation_id AS "conversationId", t.owner_id AS "ownerId", c.session_id AS "sessionId", c.system_prompt AS "systemPrompt",
      t.input_message_id AS "inputMessageId", t.provider, t.model, t.generation, t.fence, t.attempt, t.log_start::float8 AS "logStart",
      t.stop_request AS "stopRequest", due.recovering, now() AS at,
      coalesce((SELECT m.ordinal FROM message m WHERE m.id = t.input_message_id), 0) AS "inputOrdinal",
      (SELECT m.id FROM message m WHERE m.turn_id = t.id AND m.role = 'ASSISTANT' AND m.status = 'STREAMING' LIMIT 1) AS "messageId"`;
  return rows[0] ?? null;
}

async function beginAnswer(tx: Db, { conversationId, id, inputMessageId, model, at }: ClaimedRow): Promise<string> {
  const answer = { conversationId, turnId: id, parentId: inputMessageId, role: 'ASSISTANT', status: 'STREAMING', model, at } as const;
  return (await appendMessage(tx, { ...answer, parts: [] })).id;
}

function claimEvents({ id, recovering, attempt, messageId: existing }: ClaimedRow, messageId: string): EventBody[] {
  const added: EventBody[] = existing ? [] : [{ type: 'message-added', messageId }];
  if (!recovering) return [{ type: 'turn-started', turnId: id }, ...added];
  return [{ type: 'turn-recovering', turnId: id, attempt, reason: 'the worker before stopped renewing its lease' }, ...added];
}
