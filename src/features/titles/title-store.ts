import type { Database, Tx } from '../../platform/db.ts';

/** Asks for a title, in the transaction that makes it due. What is asked for already is asked for once; `isWanted`: by the user. */
export const requestTitle = (tx: Tx, conversationId: string, isWanted = false): Promise<unknown> =>
  tx.query(
    `INSERT INTO title_request (conversation_id, is_wanted) VALUES ($1::uuid, $2)
     ON CONFLICT (conversation_id) DO UPDATE SET is_wanted = title_request.is_wanted OR excluded.is_wanted, tries = CASE WHEN $2 THEN 0 ELSE title_request.tries END`,
    [conversationId, isWanted],
  );

/** A request in this process's hands: `tries` is its fence. */
export type TitleRequest = {
  conversationId: string;
  tries: number;
  /** Tokens of a call that an earlier process had announced, and of which nothing was heard since; null where there was none. */
  lostTokens: number | null;
};

/** Takes a request that nobody has in hand, for so long; this one, or whichever is due. Null: there is none. */
export async function takeRequest(database: Database, leaseMs: number, conversationId: string | null = null): Promise<TitleRequest | null> {
  const [row] = await database.query<TitleRequest>(
    `WITH due AS (
       SELECT conversation_id, requested_at, input_tokens FROM title_request
       WHERE (lease_until IS NULL OR lease_until < now()) AND ($2::uuid IS NULL OR conversation_id = $2::uuid)
       ORDER BY created_at LIMIT 1 FOR UPDATE SKIP LOCKED
     )
     UPDATE title_request r SET tries = tries + 1, lease_until = now() + $1::int * interval '1 millisecond', requested_at = NULL
     FROM due WHERE r.conversation_id = due.conversation_id
     RETURNING r.conversation_id AS "conversationId", r.tries, CASE WHEN due.requested_at IS NOT NULL THEN due.input_tokens END AS "lostTokens"`,
    [leaseMs, conversationId],
  );
  return row ?? null;
}

/** Says durably that a model is about to be called; false where the request is another's by now. */
export async function announceCall(database: Database, { conversationId, tries }: TitleRequest, inputTokens: number): Promise<boolean> {
  const rows = await database.query(
    'UPDATE title_request SET requested_at = now(), input_tokens = $3 WHERE conversation_id = $1::uuid AND tries = $2 RETURNING 1',
    [conversationId, tries, inputTokens],
  );
  return rows.length === 1;
}

/** Ends a request; null where it is another's by now, else whether the user wanted it. */
export async function endRequest(tx: Tx, { conversationId, tries }: TitleRequest): Promise<{ isWanted: boolean } | null> {
  const [row] = await tx.query<{ isWanted: boolean }>(
    'DELETE FROM title_request WHERE conversation_id = $1::uuid AND tries = $2 RETURNING is_wanted AS "isWanted"',
    [conversationId, tries],
  );
  return row ?? null;
}

/** Leaves a request to a later try, after so long; false where it is another's by now. The call is accounted then. */
export async function putBack(tx: Tx, { conversationId, tries }: TitleRequest, waitMs: number): Promise<boolean> {
  const rows = await tx.query(
    `UPDATE title_request SET requested_at = NULL, lease_until = now() + $3::int * interval '1 millisecond'
     WHERE conversation_id = $1::uuid AND tries = $2 RETURNING 1`,
    [conversationId, tries, waitMs],
  );
  return rows.length === 1;
}
