import type { Database, Transaction, Tx } from '../../platform/db.ts';

/** What a model is asked for beside the turns of a conversation, as the ledger calls it. */
export type SideKind = 'TITLE' | 'SUMMARY';

/**
 * Asks for a call beside the turns, in the transaction that makes it due. What is asked for already is asked for once; `isWanted`: by the user.
 * `upto` is how many messages a summary is to stand for.
 */
export const requestSide = (
  tx: Pick<Transaction, 'tell'>,
  kind: SideKind,
  conversationId: string,
  { isWanted = false, upto = null as number | null } = {},
): void =>
  tx.tell(
    `INSERT INTO side_request (conversation_id, kind, is_wanted, upto) VALUES ($1::uuid, $2, $3, $4)
     ON CONFLICT (conversation_id, kind) DO UPDATE SET is_wanted = side_request.is_wanted OR excluded.is_wanted, upto = coalesce(excluded.upto, side_request.upto),
       tries = CASE WHEN $3 THEN 0 ELSE side_request.tries END`,
    [conversationId, kind, isWanted, upto],
  );

/** A request in this process's hands: `tries` is its fence. */
export type SideRequest = {
  kind: SideKind;
  conversationId: string;
  tries: number;
  upto: number | null;
  /** Tokens of a call that an earlier process had announced, and of which nothing was heard since; null where there was none. */
  lostTokens: number | null;
};

/** Takes a request that nobody has in hand, for so long; this one, or whichever is due. Null: there is none. */
export async function takeRequest(
  database: Database,
  kind: SideKind,
  leaseMs: number,
  conversationId: string | null = null,
): Promise<SideRequest | null> {
  const [row] = await database.query<SideRequest>(
    `WITH due AS (
       SELECT conversation_id, requested_at, input_tokens FROM side_request
       WHERE kind = $3::usage_kind AND (lease_until IS NULL OR lease_until < now()) AND ($2::uuid IS NULL OR conversation_id = $2::uuid)
       ORDER BY created_at LIMIT 1 FOR UPDATE SKIP LOCKED
     )
     UPDATE side_request r SET tries = tries + 1, lease_until = now() + $1::int * interval '1 millisecond', requested_at = NULL
     FROM due WHERE r.conversation_id = due.conversation_id AND r.kind = $3::usage_kind
     RETURNING r.kind, r.conversation_id AS "conversationId", r.tries, r.upto, CASE WHEN due.requested_at IS NOT NULL THEN due.input_tokens END AS "lostTokens"`,
    [leaseMs, conversationId, kind],
  );
  return row ?? null;
}

/** Says durably that a model is about to be called; false where the request is another's by now. */
export async function announceCall(database: Database, { kind, conversationId, tries }: SideRequest, inputTokens: number): Promise<boolean> {
  const rows = await database.query(
    'UPDATE side_request SET requested_at = now(), input_tokens = $4 WHERE conversation_id = $1::uuid AND kind = $2::usage_kind AND tries = $3 RETURNING 1',
    [conversationId, kind, tries, inputTokens],
  );
  return rows.length === 1;
}

/** Ends a request; null where it is another's by now, else whether the user wanted it. */
export async function endRequest(tx: Tx, { kind, conversationId, tries }: SideRequest): Promise<{ isWanted: boolean } | null> {
  const [row] = await tx.query<{ isWanted: boolean }>(
    'DELETE FROM side_request WHERE conversation_id = $1::uuid AND kind = $2::usage_kind AND tries = $3 RETURNING is_wanted AS "isWanted"',
    [conversationId, kind, tries],
  );
  return row ?? null;
}

/** Leaves a request to a later try, after so long; false where it is another's by now. The call is accounted then. */
export async function putBack(tx: Tx, { kind, conversationId, tries }: SideRequest, waitMs: number): Promise<boolean> {
  const rows = await tx.query(
    `UPDATE side_request SET requested_at = NULL, lease_until = now() + $4::int * interval '1 millisecond'
     WHERE conversation_id = $1::uuid AND kind = $2::usage_kind AND tries = $3 RETURNING 1`,
    [conversationId, kind, tries, waitMs],
  );
  return rows.length === 1;
}
