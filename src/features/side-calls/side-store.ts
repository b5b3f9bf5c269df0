import type { Database, Transaction, Tx } from '../../platform/db.ts';

/** What a model is asked for beside the turns of a conversation, as the ledger calls it. */
export type SideKind = 'TITLE' | 'SUMMARY';

/**
 * Asks for a call beside the turns, in the transaction that makes it due. What is asked for already is asked for once;
 * `isWanted`: by the user. `upto` is how many messages a summary is to stand for. Whoever makes the call already keeps
 * it: `tries`, by which it is known, only grows.
 */
export const requestSide = (
  tx: Pick<Transaction, 'pipeline'>,
  kind: SideKind,
  conversationId: string,
  { isWanted = false, upto = null as number | null } = {},
): void =>
  tx.pipeline(
    `INSERT INTO side_request (conversation_id, kind, is_wanted, upto) VALUES ($1::uuid, $2, $3, $4)
     ON CONFLICT (conversation_id, kind) DO UPDATE
       SET is_wanted = side_request.is_wanted OR excluded.is_wanted, upto = coalesce(excluded.upto, side_request.upto)`,
    [conversationId, kind, isWanted, upto],
  );

/**
 * A request in this process's hands. Its fence is `tries` together with `createdAt`, since a request may be made anew
 * after it was ended: a lease that is not its own runs for longer than the two times could be the same.
 */
export type SideRequest = {
  kind: SideKind;
  conversationId: string;
  tries: number;
  createdAt: Date;
  upto: number | null;
  /** Tokens of a call that an earlier process announced and did not account; null where there is none. */
  lostTokens: number | null;
};

const ofFence = 'conversation_id = $1::uuid AND kind = $2::usage_kind AND tries = $3 AND created_at = $4::timestamptz';
const fenceOf = ({ kind, conversationId, tries, createdAt }: SideRequest) => [conversationId, kind, tries, createdAt];

/**
 * Takes a request that nobody has in hand, for so long; this one, or whichever is due. Null: there is none. A call that
 * is announced stays so.
 */
export async function takeRequest(
  database: Database,
  kind: SideKind,
  leaseMs: number,
  conversationId: string | null = null,
): Promise<SideRequest | null> {
  const [row] = await database.query<SideRequest>(
    `WITH due AS (
       SELECT conversation_id FROM side_request
       WHERE kind = $3::usage_kind AND (lease_until IS NULL OR lease_until < now())
         AND ($2::uuid IS NULL OR conversation_id = $2::uuid)
       ORDER BY created_at LIMIT 1 FOR UPDATE SKIP LOCKED
     )
     UPDATE side_request r SET tries = tries + 1, lease_until = now() + $1::int * interval '1 millisecond'
     FROM due WHERE r.conversation_id = due.conversation_id AND r.kind = $3::usage_kind
     RETURNING r.kind, r.conversation_id AS "conversationId", r.tries, r.created_at AS "createdAt", r.upto,
       CASE WHEN r.requested_at IS NOT NULL THEN r.input_tokens END AS "lostTokens"`,
    [leaseMs, conversationId, kind],
  );
  return row ?? null;
}

/** Says durably that a model is about to be called; false where the request is another's by now. */
export async function announceCall(database: Database, request: SideRequest, inputTokens: number): Promise<boolean> {
  const rows = await database.query(
    `UPDATE side_request SET requested_at = now(), input_tokens = $5 WHERE ${ofFence} RETURNING 1`,
    [...fenceOf(request), inputTokens],
  );
  return rows.length === 1;
}

/**
 * Takes back the announcement of a call, in the transaction that accounts it; false where there is none, or the request
 * is another's by now.
 */
export async function clearCall(tx: Tx, request: SideRequest): Promise<boolean> {
  const rows = await tx.query(
    `UPDATE side_request SET requested_at = NULL WHERE ${ofFence} AND requested_at IS NOT NULL RETURNING 1`,
    fenceOf(request),
  );
  return rows.length === 1;
}

/** Ends a request; null where it is another's by now, else whether the user wanted it. */
export async function endRequest(tx: Tx, request: SideRequest): Promise<{ isWanted: boolean } | null> {
  const [row] = await tx.query<{ isWanted: boolean }>(
    `DELETE FROM side_request WHERE ${ofFence} RETURNING is_wanted AS "isWanted"`,
    fenceOf(request),
  );
  return row ?? null;
}

/**
 * Leaves a request to a later try, after so long, in the transaction that accounts its call; false where that is done,
 * or it is another's by now.
 */
export async function postponeRequest(tx: Tx, request: SideRequest, waitMs: number): Promise<boolean> {
  const rows = await tx.query(
    `UPDATE side_request SET requested_at = NULL, lease_until = now() + $5::int * interval '1 millisecond'
     WHERE ${ofFence} AND requested_at IS NOT NULL RETURNING 1`,
    [...fenceOf(request), waitMs],
  );
  return rows.length === 1;
}

/**
 * Ends what is asked for beside the turns of a conversation that is going to be purged; false where a call of it is
 * announced and not accounted yet. Nothing is asked for anew in a conversation that is deleted.
 */
export async function dropRequests(tx: Tx, conversationId: string): Promise<boolean> {
  await tx.query('DELETE FROM side_request WHERE conversation_id = $1::uuid AND requested_at IS NULL', [
    conversationId,
  ]);
  return (await tx.query('SELECT 1 FROM side_request WHERE conversation_id = $1::uuid', [conversationId])).length === 0;
}
