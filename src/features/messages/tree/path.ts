import { contentOf, type MessagePart, type MessageRole } from '../../../contracts/message.ts';
import { ConflictError, type NotFoundError } from '../../../kernel/errors.ts';
import { groupBy } from '../../../kernel/group.ts';
import type { Tx } from '../../../platform/db.ts';
import { setLength } from '../../conversations/index.ts';
import { below, notSuperseded, segments, walk } from './segments.sql.ts';

/** A message that a model may be shown. */
export type ContextMessage = {
  id: string;
  turnId: string | null;
  role: 'user' | 'assistant';
  /** Its text; empty where only a call, a widget or nothing was said. */
  content: string;
  parts: MessagePart[];
  /** As they were counted when it was stored. */
  tokens: number;
  /** How many messages of the conversation are before it. */
  before: number;
};

type Row = {
  leaf: string;
  id: string;
  turnId: string | null;
  depth: number;
  role: MessageRole;
  parts: MessagePart[] | null;
  tokenCount: number;
};

/** What a model may be shown: some providers refuse a message without content. */
const ofContext = `(id = s.leaf OR status IN ('COMPLETE', 'STOPPED'))
  AND (content_length > 0 OR parts @> '[{"type":"tool-call"}]' OR parts @> '[{"type":"widget"}]')`;

/**
 * The newest messages that a model may be shown with each of these questions, newest first and the question before all:
 * those on the way to it that have content, since some providers refuse what has none. Never more than `limit` each,
 * however long the conversation. `before` says how many messages are before one on the way. Without `withContent` no
 * content is read.
 */
export async function listForContexts(
  tx: Tx,
  messageIds: readonly string[],
  limit: number,
  withContent = true,
): Promise<Map<string, ContextMessage[]>> {
  const rows = await tx.query<Row>(
    `${segments}
     SELECT leaf, id, "turnId", depth, role, parts, "tokenCount" FROM (
       SELECT s.leaf, m.id, m.turn_id AS "turnId", m.depth, m.role,
         CASE WHEN $3::boolean THEN m.parts END AS parts, m.token_count AS "tokenCount",
         row_number() OVER (PARTITION BY s.leaf ORDER BY m.ordinal DESC) AS place
       FROM ${walk({ backward: true, only: ofContext, limit: '$2::int' })}) w
     WHERE place <= $2::int ORDER BY leaf, place`,
    [messageIds, limit, withContent],
  );
  const lists = groupBy(rows, ({ leaf }) => leaf);
  return new Map([...lists].map(([leaf, list]) => [leaf, list.map(toShown)]));
}

const toShown = ({ id, turnId, depth, role, parts, tokenCount }: Row): ContextMessage => ({
  id,
  turnId,
  role: role === 'USER' ? 'user' : 'assistant',
  content: contentOf(parts ?? []) ?? '',
  parts: parts ?? [],
  tokens: tokenCount,
  before: depth,
});

export const listForContext = async (tx: Tx, messageId: string, limit: number): Promise<ContextMessage[]> =>
  (await listForContexts(tx, [messageId], limit)).get(messageId) ?? [];

/**
 * Bytes of the contents of the messages that `listForContext` reads, and of the calls in them, without reading them.
 * `bytesOfCalls` is a statement that sums those of one message, whose id it is given.
 */
export async function measureForContext(
  tx: Tx,
  messageId: string,
  limit: number,
  bytesOfCalls: (messageId: string) => string,
): Promise<number> {
  const [row] = await tx.query<{ bytes: number }>(
    `${segments}
     SELECT coalesce(sum(w.bytes + (
       ${bytesOfCalls('w.id')})), 0)::bigint AS bytes
     FROM (
       SELECT m.id, coalesce(m.bytes, message_bytes(m.parts, m.metadata)) AS bytes,
         row_number() OVER (ORDER BY m.ordinal DESC) AS place
       FROM ${walk({ backward: true, only: ofContext, limit: '$2::int' })}) w
     WHERE place <= $2::int`,
    [[messageId], limit],
  );
  return row!.bytes;
}

export type TreeMessage = {
  id: string;
  parentId: string | null;
  role: MessageRole;
  status: string;
  /** The message of the user that it answers; null for what answers none. */
  questionId: string | null;
};

/**
 * A message that is part of this conversation. Refuses one that is not there, in the words of the caller, and one that
 * was taken out.
 */
export async function requireInTree(
  tx: Tx,
  conversationId: string,
  id: string,
  absent: () => NotFoundError,
): Promise<TreeMessage> {
  const [row] = await tx.query<TreeMessage>(
    `SELECT m.id, m.parent_id AS "parentId", m.role, m.status, q.id AS "questionId"
     FROM message m LEFT JOIN message q ON q.id = m.parent_id AND q.role = 'USER' AND q.status <> 'SUPERSEDED'
     WHERE m.conversation_id = $1::uuid AND m.id = $2::uuid`,
    [conversationId, id],
  );
  if (!row) throw absent();
  if (row.status === 'SUPERSEDED') throw new ConflictError('Another message took the place of this one.');
  return row;
}

/** The newest end of all branches that lead through a message: itself where nothing follows it. */
export async function newestLeaf(tx: Tx, messageId: string): Promise<string> {
  const [row] = await tx.query<{ id: string }>(
    `${below('SELECT branch_id, ordinal FROM message WHERE id = $1::uuid')}
     SELECT m.id FROM below CROSS JOIN LATERAL (
       SELECT id, ordinal FROM message WHERE branch_id = below.branch_id AND ordinal >= below.since AND ${notSuperseded}
         ORDER BY ordinal DESC LIMIT 1) m
     ORDER BY m.ordinal DESC LIMIT 1`,
    [messageId],
  );
  return row?.id ?? messageId;
}

/** Which of these turns have a message on the way to this one. */
export async function turnsOnPath(tx: Tx, messageId: string, turnIds: readonly string[]): Promise<Set<string>> {
  const rows = await tx.query<{ id: string }>(
    `${segments} SELECT DISTINCT m.turn_id AS id FROM message m JOIN segment s ON s.branch_id = m.branch_id
      AND m.ordinal <= s.upto WHERE m.turn_id = ANY($2::uuid[])`,
    [[messageId], turnIds],
  );
  return new Set(rows.map(({ id }) => id));
}

/** This message, or the last one before it on its way that is still part of the conversation; null where none is. */
export async function nearestShown(tx: Tx, messageId: string): Promise<string | null> {
  const [row] = await tx.query<{ id: string }>(
    `${segments}
     SELECT m.id FROM ${walk({ backward: true, only: notSuperseded, limit: '1' })} ORDER BY m.ordinal DESC LIMIT 1`,
    [[messageId]],
  );
  return row?.id ?? null;
}

/** How many messages lie on the way to this one, it included, and whether any of them is still to be written. */
export async function measurePath(tx: Tx, messageId: string): Promise<{ count: number; isUnfinished: boolean }> {
  const [row] = await tx.query<{ count: number; isUnfinished: boolean }>(
    `${segments}
     SELECT count(*)::int AS count, coalesce(bool_or(m.status IN ('PENDING', 'STREAMING')), false) AS "isUnfinished"
     FROM segment s JOIN message m ON m.branch_id = s.branch_id AND m.ordinal <= s.upto WHERE m.${notSuperseded}`,
    [[messageId]],
  );
  return row!;
}

/**
 * Writes the path to a message into an empty conversation, as its only branch. What was said, when and by which model
 * is copied; what it cost stays with the original. `copyCalls` is a statement that copies the calls of tools: it is
 * given the name of a table with the `id` of each message and the `new_id` of its copy.
 */
export const copyPath = (
  tx: Tx,
  messageId: string,
  conversationId: string,
  copyCalls: (copy: string) => string,
): Promise<unknown> =>
  tx.query(
    `${segments}, copy AS (
       SELECT m.*, row_number() OVER (ORDER BY m.ordinal) AS place, gen_random_uuid() AS new_id
       FROM segment s JOIN message m ON m.branch_id = s.branch_id AND m.ordinal <= s.upto WHERE m.${notSuperseded}
     ), calls AS (
       ${copyCalls('copy')}
     ), copied AS (
       SELECT count(*)::int AS count, max(created_at) AS last_at FROM copy
     ), counted AS (
       ${setLength('$2::uuid', 'copied', 'SELECT new_id FROM copy ORDER BY place DESC LIMIT 1')}
     )
     INSERT INTO message (id, conversation_id, parent_id, branch_id, depth, role, status, finish_reason,
       parts, ordinal, model, token_count, metadata,
       content_length, content_sha256, created_at)
     SELECT new_id, $2::uuid, lag(new_id) OVER (ORDER BY place), $2::uuid, place - 1, role, status,
       finish_reason, parts, place, model, token_count, metadata,
       content_length, content_sha256, created_at
     FROM copy`,
    [[messageId], conversationId],
  );
