import { v7 as uuidv7 } from 'uuid';
import { contentOf, type FinishReason, type MessagePart, type MessageRole, type MessageStatus } from '../../contracts/message.ts';
import type { Viewer } from '../../contracts/viewer.ts';
import type { Prisma } from '../../generated/prisma/client.ts';
import { groupBy } from '../../kernel/group.ts';
import { sha256 } from '../../kernel/text.ts';
import type { Db, Tx } from '../../platform/db.ts';
import { visibleTo } from './access.ts';

export const findMessage = (db: Db, viewer: Viewer, id: string) => db.message.findFirst({ where: { id, conversation: visibleTo(viewer) } });

type NewMessage = {
  conversationId: string;
  turnId?: string;
  parentId?: string | null;
  role: MessageRole;
  status: MessageStatus;
  parts: MessagePart[];
  tokenCount?: number;
  model?: string;
  /** What the conversation is called from now on. */
  title?: string;
};

/** Adds a message at the end of its conversation. Takes the conversation's row lock, which orders it among all others. */
export async function appendMessage(tx: Tx, message: NewMessage): Promise<{ id: string; ordinal: number }> {
  const { conversationId, turnId, parentId, role, status, parts, tokenCount = 0, model, title } = message;
  const { contentLength, contentSha256 } = textFacts(parts);
  const [row] = await tx.query<{ id: string; ordinal: number }>(
    `WITH place AS (
       UPDATE conversation
       SET last_ordinal = last_ordinal + 1, message_count = message_count + 1, last_message_at = now(), updated_at = now(),
         title = coalesce($12, title)
       WHERE id = $2 RETURNING last_ordinal
     )
     INSERT INTO message (id, conversation_id, turn_id, parent_id, role, status, parts, ordinal, model, token_count, content_length, content_sha256)
     SELECT $1, $2, $3, $4, $5, $6, $7, last_ordinal, $8, $9, $10, $11 FROM place
     RETURNING id, ordinal`,
    [
      ...[uuidv7(), conversationId, turnId, parentId, role, status, JSON.stringify(parts), model, tokenCount],
      ...[contentLength, contentSha256, title],
    ],
  );
  return row!;
}

type Completion = {
  status: MessageStatus;
  finishReason: FinishReason;
  parts: MessagePart[];
  tokenCount: number;
  estimatedCost: string | null;
  requestId: string | null;
  responseTimeMs: number | null;
  timeToFirstTokenMs: number | null;
};

/** Writes the final text and facts of a message. Returns what `message-completed` says of its text. */
export async function completeMessage(tx: Tx, id: string, completion: Completion): Promise<{ contentLength: number; contentSha256: string }> {
  const { status, finishReason, parts, tokenCount, estimatedCost, requestId, responseTimeMs, timeToFirstTokenMs } = completion;
  const facts = textFacts(parts);
  await tx.query(
    `UPDATE message
     SET status = $2, finish_reason = $3, parts = $4, token_count = $5, estimated_cost = $6, request_id = $7, response_time_ms = $8,
         time_to_first_token_ms = $9, content_length = $10, content_sha256 = $11, updated_at = now()
     WHERE id = $1`,
    [
      ...[id, status, finishReason, JSON.stringify(parts), tokenCount, estimatedCost, requestId, responseTimeMs, timeToFirstTokenMs],
      ...[facts.contentLength, facts.contentSha256],
    ],
  );
  return facts;
}

/** Takes the answers of a turn out of the conversation because another takes their place. Returns their ids. */
export async function supersedeAnswers(tx: Tx, turnId: string, conversationId: string): Promise<string[]> {
  const rows = await tx.query<{ id: string }>(
    `WITH answers AS (
       UPDATE message SET status = 'SUPERSEDED', updated_at = now() WHERE turn_id = $1 AND role = 'ASSISTANT' AND status <> 'SUPERSEDED' RETURNING id
     ), fewer AS (
       UPDATE conversation SET message_count = message_count - n.count FROM (SELECT count(*)::int AS count FROM answers) n WHERE id = $2
     )
     SELECT id FROM answers`,
    [turnId, conversationId],
  );
  return rows.map(({ id }) => id);
}

type Shown = { id: string; parentId: string | null; ordinal: number; role: MessageRole; parts: MessagePart[]; tokenCount: number };

const shown = `SELECT id, parent_id AS "parentId", ordinal, role, parts, token_count AS "tokenCount"
  FROM message WHERE conversation_id = $1::uuid AND status IN ('COMPLETE', 'STOPPED')`;

/**
 * The newest messages that a model may be shown with the question at ordinal `upTo`, newest first and that question before all: each
 * earlier question with its answers, also where they were given when later questions waited already. Never more than `limit`, however
 * long the conversation.
 */
export async function listForContext(tx: Tx, conversationId: string, upTo: number, limit: number) {
  const questions = await tx.query<Shown>(`${shown} AND role = 'USER' AND ordinal <= $2::bigint ORDER BY ordinal DESC LIMIT $3`, [
    conversationId,
    upTo,
    limit,
  ]);
  const earlier = questions.filter(({ ordinal }) => ordinal < upTo).map(({ id }) => id);
  const answers = earlier.length === 0 ? [] : await listAnswers(tx, conversationId, earlier, questions.at(-1)!.ordinal, limit);
  const answersTo = groupBy(answers, ({ parentId }) => parentId);
  return questions
    .flatMap((question) => [...(answersTo.get(question.id) ?? []), question])
    .slice(0, limit)
    .map(({ role, parts, tokenCount }) => ({
      role: role === 'USER' ? ('user' as const) : ('assistant' as const),
      content: contentOf(parts) ?? '',
      tokens: tokenCount,
    }))
    .filter(({ content }) => content !== ''); // stopped before its first word: nothing to show, and some providers refuse it
}

/** The answers stand behind the oldest question, so the walk ends there and not at the beginning of the conversation. */
const listAnswers = (tx: Tx, conversationId: string, questions: readonly string[], from: number, limit: number): Promise<Shown[]> =>
  tx.query(`${shown} AND role = 'ASSISTANT' AND ordinal > $2::bigint AND parent_id = ANY($3::uuid[]) ORDER BY ordinal DESC LIMIT $4`, [
    conversationId,
    from,
    questions,
    limit,
  ]);

/** The JSON column as what it holds: only this file and settlement write it. */
export const partsOf = (parts: Prisma.JsonValue): MessagePart[] => parts as MessagePart[];

function textFacts(parts: MessagePart[]): { contentLength: number; contentSha256: string } {
  const content = contentOf(parts) ?? '';
  return { contentLength: content.length, contentSha256: sha256(content) };
}
