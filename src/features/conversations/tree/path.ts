import { contentOf, type MessagePart, type MessageRole } from '../../../contracts/message.ts';
import type { Tx } from '../../../platform/db.ts';

/**
 * The way from a message back to the first one, as pieces of branches: each up to an ordinal. A conversation of one branch is one piece, however
 * long it is; each edit or other answer on the way adds one.
 */
const segments = `
WITH RECURSIVE segment(branch_id, upto) AS (
  SELECT branch_id, ordinal FROM message WHERE id = $1::uuid
  UNION ALL
  SELECT b.parent_id, b.fork_ordinal FROM segment s JOIN branch b ON b.id = s.branch_id WHERE b.parent_id IS NOT NULL
)`;

type Shown = { role: MessageRole; parts: MessagePart[]; tokenCount: number };

/**
 * The newest messages that a model may be shown with this question, newest first and the question before all: those on the way to it.
 * Never more than `limit`, however long the conversation.
 */
export async function listForContext(tx: Tx, messageId: string, limit: number) {
  const rows = await tx.query<Shown>(
    `${segments}
     SELECT m.role, m.parts, m.token_count AS "tokenCount" FROM segment s CROSS JOIN LATERAL (
       SELECT * FROM message WHERE branch_id = s.branch_id AND ordinal <= s.upto AND status IN ('COMPLETE', 'STOPPED') ORDER BY ordinal DESC LIMIT $2) m
     ORDER BY m.ordinal DESC LIMIT $2`,
    [messageId, limit],
  );
  return rows
    .map(({ role, parts, tokenCount }) => ({
      role: role === 'USER' ? ('user' as const) : ('assistant' as const),
      content: contentOf(parts) ?? '',
      tokens: tokenCount,
    }))
    .filter(({ content }) => content !== ''); // stopped before its first word: nothing to show, and some providers refuse it
}

export type TreeMessage = { id: string; parentId: string | null; role: MessageRole; status: string; turnId: string | null };

/** A message of this conversation; null where it has none with this id. */
export async function findInTree(tx: Tx, conversationId: string, id: string): Promise<TreeMessage | null> {
  const [row] = await tx.query<TreeMessage>(
    `SELECT id, parent_id AS "parentId", role, status, turn_id AS "turnId" FROM message WHERE conversation_id = $1::uuid AND id = $2::uuid`,
    [conversationId, id],
  );
  return row ?? null;
}

/** The newest end of all branches that lead through a message: itself where nothing follows it. */
export async function newestLeaf(tx: Tx, messageId: string): Promise<string> {
  const [row] = await tx.query<{ id: string }>(
    `WITH RECURSIVE below(branch_id, since) AS (
       SELECT branch_id, ordinal FROM message WHERE id = $1::uuid
       UNION ALL
       SELECT b.id, b.fork_ordinal FROM below JOIN branch b ON b.parent_id = below.branch_id AND b.fork_ordinal >= below.since
     )
     SELECT m.id FROM below CROSS JOIN LATERAL (
       SELECT id, ordinal FROM message WHERE branch_id = below.branch_id AND ordinal >= below.since AND status <> 'SUPERSEDED' ORDER BY ordinal DESC LIMIT 1) m
     ORDER BY m.ordinal DESC LIMIT 1`,
    [messageId],
  );
  return row?.id ?? messageId;
}

/** What is last once everything behind this message is gone that was taken out: of the whole conversation where it is null; null where nothing is left. */
export async function leafBefore(tx: Tx, conversationId: string, messageId: string | null): Promise<string | null> {
  if (messageId !== null) return newestLeaf(tx, messageId);
  const [row] = await tx.query<{ id: string }>(
    `SELECT id FROM message WHERE conversation_id = $1::uuid AND status <> 'SUPERSEDED' ORDER BY ordinal DESC LIMIT 1`,
    [conversationId],
  );
  return row?.id ?? null;
}

/** How many messages lie on the way to this one, it included, and whether any of them is still to be written. */
export async function measurePath(tx: Tx, messageId: string): Promise<{ count: number; isUnfinished: boolean }> {
  const [row] = await tx.query<{ count: number; isUnfinished: boolean }>(
    `${segments}
     SELECT count(*)::int AS count, coalesce(bool_or(m.status IN ('PENDING', 'STREAMING')), false) AS "isUnfinished"
     FROM segment s JOIN message m ON m.branch_id = s.branch_id AND m.ordinal <= s.upto WHERE m.status <> 'SUPERSEDED'`,
    [messageId],
  );
  return row!;
}

/**
 * Writes the way to a message into an empty conversation, as its only branch. What was said, when and by which model is copied; what it cost
 * stays with the original.
 */
export const copyPath = (tx: Tx, messageId: string, conversationId: string): Promise<unknown> =>
  tx.query(
    `${segments}, copy AS (
       SELECT m.*, row_number() OVER (ORDER BY m.ordinal) AS place, gen_random_uuid() AS new_id
       FROM segment s JOIN message m ON m.branch_id = s.branch_id AND m.ordinal <= s.upto WHERE m.status <> 'SUPERSEDED'
     ), told AS (
       SELECT count(*)::int AS count, max(created_at) AS last_at FROM copy
     ), counted AS (
       UPDATE conversation c SET message_count = told.count, last_ordinal = told.count, last_message_at = told.last_at,
         active_leaf_id = (SELECT new_id FROM copy ORDER BY place DESC LIMIT 1)
       FROM told WHERE c.id = $2::uuid
     )
     INSERT INTO message (id, conversation_id, parent_id, branch_id, role, status, finish_reason, parts, ordinal, model, token_count, metadata,
       content_length, content_sha256, created_at)
     SELECT new_id, $2::uuid, lag(new_id) OVER (ORDER BY place), $2::uuid, role, status, finish_reason, parts, place, model, token_count, metadata,
       content_length, content_sha256, created_at
     FROM copy`,
    [messageId, conversationId],
  );
