import type { ToolCallRecord, ToolCallStatus, ToolOutcome } from '../../contracts/tool.ts';
import type { ResolvedCall } from '../../engine/index.ts';
import type { Tx } from '../../platform/db.ts';

const columns = `c.id, c.number, c.step, c.call_id AS "callId", c.tool_name AS "toolName",
  c.arguments_text AS "argumentsText", coalesce(a.edited_arguments, c.arguments) AS arguments,
  a.edited_arguments IS NOT NULL AS "isEdited", c.status, c.replay, c.attempts, c.result,
  c.error_message AS "errorMessage"`;

/** All calls of a turn, in order. */
export const listCalls = (tx: Tx, turnId: string): Promise<ToolCallRecord[]> =>
  tx.query(
    `SELECT ${columns} FROM tool_call c LEFT JOIN approval a ON a.tool_call_id = c.id WHERE c.turn_id = $1::uuid
      ORDER BY c.number`,
    [turnId],
  );

/** The calls of many messages, in order, by message. */
export const listCallsOfMessages = (
  tx: Tx,
  messageIds: readonly string[],
): Promise<(ToolCallRecord & { messageId: string })[]> =>
  tx.query(
    `SELECT ${columns}, c.message_id AS "messageId" FROM tool_call c LEFT JOIN approval a ON a.tool_call_id = c.id
     WHERE c.message_id = ANY($1::uuid[]) ORDER BY c.message_id, c.number`,
    [messageIds],
  );

type NewCall = { turnId: string; messageId: string; number: number; step: number; callId: string; toolName: string };

/** Begins a call, once: a try before may have gone through unheard. */
export async function insertCall(
  tx: Tx,
  { turnId, messageId, number, step, callId, toolName }: NewCall,
): Promise<{ id: string; isNew: boolean }> {
  const [row] = await tx.query<{ id: string; isNew: boolean }>(
    `WITH begun AS (
       INSERT INTO tool_call (id, turn_id, message_id, number, step, call_id, tool_name)
       VALUES (gen_random_uuid(), $1::uuid, $2::uuid, $3, $4, $5, $6) ON CONFLICT (message_id,
         number) DO NOTHING RETURNING id
     )
     SELECT id, true AS "isNew" FROM begun UNION ALL SELECT id, false FROM tool_call WHERE message_id = $2::uuid
       AND number = $3`,
    [turnId, messageId, number, step, callId, toolName],
  );
  return row!;
}

/** Writes what the calls of a step are about, and what is to become of them. */
export const updateResolved = (tx: Tx, calls: readonly ResolvedCall[]): Promise<unknown> =>
  tx.query(
    `UPDATE tool_call c SET arguments_text = j."argumentsText", arguments = j.arguments, status = j.status,
      replay = j.replay, result_index = j."resultIndex",
       error_code = j.outcome->>'code', error_message = j.outcome->>'message',
         finished_at = CASE WHEN j.status = 'FAILED' THEN now() END
     FROM json_to_recordset($1::json) AS j(id uuid, "argumentsText" text, arguments jsonb,
       status tool_call_status, replay tool_replay, "resultIndex" int, outcome jsonb)
     WHERE c.id = j.id`,
    [JSON.stringify(calls)],
  );

/** Says that a call is being made, for the `attempt`th time; false where that was said already. */
export async function startCall(tx: Tx, id: string, attempt: number): Promise<boolean> {
  const rows = await tx.query(
    `UPDATE tool_call SET status = 'RUNNING', attempts = $2, started_at = coalesce(started_at, now())
      WHERE id = $1::uuid AND attempts < $2 RETURNING 1`,
    [id, attempt],
  );
  return rows.length === 1;
}

/** Ends a call; false where it had ended before. */
export async function endCall(tx: Tx, id: string, outcome: ToolOutcome): Promise<boolean> {
  const isGood = outcome.status === 'SUCCEEDED';
  const rows = await tx.query(
    `UPDATE tool_call SET status = $2, result = $3::jsonb, error_code = $4, error_message = $5, finished_at = now()
     WHERE id = $1::uuid AND finished_at IS NULL RETURNING 1`,
    [
      id,
      outcome.status,
      isGood ? JSON.stringify(outcome.result) : null,
      isGood ? null : outcome.code,
      isGood ? null : outcome.message,
    ],
  );
  return rows.length === 1;
}

export type ClosedCall = { id: string; number: number; messageId: string; resultIndex: number | null };

/**
 * Ends calls that will not come to an end of their own: all of a turn that is over, or those whose arguments an attempt
 * did not finish. Of one that had been begun and must not be repeated nobody knows what became of it.
 */
export const closeCalls = (tx: Tx, turnId: string, only: 'open' | { unfinishedOf: number }): Promise<ClosedCall[]> =>
  tx.query(
    `UPDATE tool_call SET finished_at = now(),
       status = (CASE WHEN status = 'RUNNING'
         AND replay <> 'READ_ONLY' THEN 'OUTCOME_UNKNOWN' ELSE 'CANCELLED' END)::tool_call_status,
       error_code = CASE WHEN status = 'RUNNING'
         AND replay <> 'READ_ONLY' THEN 'TOOL_OUTCOME_UNKNOWN' ELSE 'TOOL_FAILED' END,
       error_message = CASE WHEN status = 'RUNNING'
         AND replay <> 'READ_ONLY' THEN 'It was interrupted: whether it had its effect is not known.' ELSE
         'The turn ended before the call did.' END
     WHERE turn_id = $1::uuid AND finished_at IS NULL AND ($2::int IS NULL OR (step <= $2::int
       AND status = 'STREAMING_ARGUMENTS'))
     RETURNING id, number, message_id AS "messageId", result_index AS "resultIndex"`,
    [turnId, only === 'open' ? null : only.unfinishedOf],
  );

/** Calls of a turn that wait for somebody, or that may be made, under its lock. */
export const listDue = (
  tx: Tx,
  turnId: string,
): Promise<{ id: string; status: ToolCallStatus; approvalId: string | null }[]> =>
  tx.query(
    `SELECT c.id, c.status, a.id AS "approvalId" FROM tool_call c LEFT JOIN approval a ON a.tool_call_id = c.id
     WHERE c.turn_id = $1::uuid AND c.status IN ('PENDING_APPROVAL', 'PENDING_CLIENT', 'READY') ORDER BY c.number`,
    [turnId],
  );

/** What a decision or a client makes of calls that wait. */
export const allowCall = (tx: Tx, id: string, status: 'READY' | 'PENDING_CLIENT'): Promise<unknown> =>
  tx.query(`UPDATE tool_call SET status = $2 WHERE id = $1::uuid AND status = 'PENDING_APPROVAL'`, [id, status]);

export type StoredCall = ToolCallRecord & { messageId: string; resultIndex: number | null };

/** Calls by their ids, with their rows locked: those of one turn, which the caller holds. */
export const lockCalls = (tx: Tx, turnId: string, ids: readonly string[]): Promise<StoredCall[]> =>
  tx.query(
    `SELECT ${columns}, c.message_id AS "messageId", c.result_index AS "resultIndex"
     FROM tool_call c LEFT JOIN approval a ON a.tool_call_id = c.id WHERE c.turn_id = $1::uuid
       AND c.id = ANY($2::uuid[]) ORDER BY c.number FOR UPDATE OF c`,
    [turnId, ids],
  );
