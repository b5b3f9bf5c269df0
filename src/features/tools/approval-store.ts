import { v7 as uuidv7 } from 'uuid';
import type { Risk } from '../../contracts/tool.ts';
import type { Viewer } from '../../contracts/viewer.ts';
import type { JsonObject } from '../../kernel/json.ts';
import type { Database, Db, Tx } from '../../platform/db.ts';
import { joinLivingOf, visibleTo } from '../conversations/index.ts';

export type NewApproval = {
  toolCallId: string;
  conversationId: string;
  ownerId: string | null;
  summary: string;
  risk: Risk;
  argumentsSha256: string;
};

/** Asks somebody, until a time. Returns the ids, in the order of the calls. */
export async function insertApprovals(
  tx: Tx,
  approvals: readonly NewApproval[],
  expiresInMs: number,
): Promise<string[]> {
  if (approvals.length === 0) return [];
  const rows = approvals.map((approval) => ({ ...approval, id: uuidv7() }));
  await tx.query(
    `INSERT INTO approval (id, tool_call_id, conversation_id, owner_id, summary, risk, arguments_sha256, expires_at)
     SELECT n.id, n."toolCallId", n."conversationId", n."ownerId", n.summary, n.risk, n."argumentsSha256",
       now() + $2::float8 * interval '1 millisecond'
     FROM json_to_recordset($1::json) AS n(id uuid, "toolCallId" uuid, "conversationId" uuid, "ownerId" uuid,
       summary text, risk risk, "argumentsSha256" text)`,
    [JSON.stringify(rows), expiresInMs],
  );
  return rows.map(({ id }) => id);
}

type ApprovalStatus = 'PENDING' | 'APPROVED' | 'DENIED' | 'EXPIRED' | 'AUTO_DENIED';

export type LockedApproval = {
  id: string;
  toolCallId: string;
  status: ApprovalStatus;
  isExpired: boolean;
  argumentsSha256: string;
  editedArguments: JsonObject | null;
  decidedById: string | null;
};

/**
 * Approvals with their rows locked, after their conversation and turn. The time of the database decides what came too
 * late.
 */
export const lockApprovals = (tx: Tx, ids: readonly string[]): Promise<LockedApproval[]> =>
  tx.query(
    `SELECT id, tool_call_id AS "toolCallId", status, expires_at <= now() AS "isExpired",
       arguments_sha256 AS "argumentsSha256", edited_arguments AS "editedArguments", decided_by_id AS "decidedById"
     FROM approval WHERE id = ANY($1::uuid[]) ORDER BY id FOR UPDATE`,
    [ids],
  );

type Decision = {
  id: string;
  status: ApprovalStatus;
  decidedById: string | null;
  editedArguments?: JsonObject;
  reason: string | null;
};

export const decide = (tx: Tx, { id, status, decidedById, editedArguments, reason }: Decision): Promise<unknown> =>
  tx.query(
    `UPDATE approval SET status = $2, decided_at = now(), decided_by_id = $3, edited_arguments = $4::jsonb,
      reason = $5 WHERE id = $1::uuid AND status = 'PENDING'`,
    [id, status, decidedById, editedArguments ? JSON.stringify(editedArguments) : null, reason],
  );

/** Ends what is still asked of a turn that is over. Returns the ids. */
export async function withdrawApprovals(tx: Tx, turnId: string): Promise<string[]> {
  const rows = await tx.query<{ id: string }>(
    `UPDATE approval a SET status = 'AUTO_DENIED', decided_at = now(), reason = 'The turn ended.'
     FROM tool_call c WHERE c.id = a.tool_call_id AND c.turn_id = $1::uuid AND a.status = 'PENDING' RETURNING a.id`,
    [turnId],
  );
  return rows.map(({ id }) => id);
}

/** Approvals that nobody gave in time, the oldest first. */
export const findExpired = (
  database: Pick<Database, 'query'>,
  limit: number,
): Promise<{ id: string; turnId: string; conversationId: string }[]> =>
  database.query(
    `SELECT a.id, c.turn_id AS "turnId", a.conversation_id AS "conversationId" FROM approval a
      JOIN tool_call c ON c.id = a.tool_call_id
     WHERE a.status = 'PENDING' AND a.expires_at <= now() ORDER BY a.expires_at LIMIT $1`,
    [limit],
  );

const living = joinLivingOf('$1::uuid', 'c', 'a.conversation_id');

/** Ids of what a user is asked in conversations that exist, oldest first; of those after one where it is named. */
export async function listAsked(database: Tx, ownerId: string, after: string | null, limit: number): Promise<string[]> {
  const rows = await database.query<{ id: string }>(
    `SELECT a.id FROM approval a ${living}
     WHERE a.owner_id = $1::uuid AND a.status = 'PENDING' AND a.expires_at > now()
       AND ($2::uuid IS NULL OR a.id > $2::uuid) ORDER BY a.id LIMIT $3`,
    [ownerId, after, limit],
  );
  return rows.map(({ id }) => id);
}

export async function countAsked(database: Tx, ownerId: string): Promise<number> {
  const [row] = await database.query<{ count: number }>(
    `SELECT count(*)::int AS count FROM approval a ${living}
     WHERE a.owner_id = $1::uuid AND a.status = 'PENDING' AND a.expires_at > now()`,
    [ownerId],
  );
  return row!.count;
}

/** Approvals that exist for this viewer, with the calls that they are about and the labels of their conversations. */
export const findForDecision = (db: Db, viewer: Viewer, ids: readonly string[]) =>
  db.approval.findMany({
    where: { id: { in: [...ids] }, conversation: visibleTo(viewer) },
    select: {
      id: true,
      toolCall: { select: { turnId: true, toolName: true } },
      conversation: { select: { id: true, metadata: true } },
    },
  });
