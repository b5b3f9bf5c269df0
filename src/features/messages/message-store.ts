import {
  contentOf,
  type FinishReason,
  type MessagePart,
  type MessageRole,
  type MessageStatus,
  type WidgetPart,
} from '../../contracts/message.ts';
import type { Viewer } from '../../contracts/viewer.ts';
import type { Prisma } from '../../generated/prisma/client.ts';
import type { Json } from '../../kernel/json.ts';
import { sha256 } from '../../kernel/text.ts';
import type { Db, Transaction, Tx } from '../../platform/db.ts';
import { moveActiveLeaf, subtractMessages, visibleTo } from '../conversations/index.ts';
import { below, notSuperseded } from './tree/segments.sql.ts';

export const findMessage = (db: Db, viewer: Viewer, id: string) =>
  db.message.findFirst({ where: { id, conversation: visibleTo(viewer) }, select: { id: true, conversationId: true } });

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
export function completeMessage(
  tx: Transaction,
  id: string,
  completion: Completion,
): { contentLength: number; contentSha256: string } {
  const { status, finishReason, parts, tokenCount, estimatedCost, requestId, responseTimeMs, timeToFirstTokenMs } =
    completion;
  const facts = textFacts(parts);
  tx.pipeline(
    `UPDATE message
     SET status = (CASE WHEN status = 'SUPERSEDED' THEN 'SUPERSEDED' ELSE $2 END)::message_status,
       finish_reason = $3, parts = $4, token_count = $5, estimated_cost = $6, request_id = $7, response_time_ms = $8,
         time_to_first_token_ms = $9, content_length = $10, content_sha256 = $11, updated_at = now()
     WHERE id = $1`,
    [
      ...[
        id,
        status,
        finishReason,
        JSON.stringify(parts),
        tokenCount,
        estimatedCost,
        requestId,
        responseTimeMs,
        timeToFirstTokenMs,
      ],
      ...[facts.contentLength, facts.contentSha256],
    ],
  );
  return facts;
}

/** Writes the parts of an answer that are there to stay, while it is still being written. */
export const updateParts = (tx: Tx, id: string, parts: readonly MessagePart[]): Promise<unknown> =>
  tx.query('UPDATE message SET parts = $2, updated_at = now() WHERE id = $1::uuid', [id, JSON.stringify(parts)]);

export async function readParts(tx: Tx, id: string): Promise<MessagePart[]> {
  const [row] = await tx.query<{ parts: MessagePart[] }>('SELECT parts FROM message WHERE id = $1::uuid', [id]);
  return row?.parts ?? [];
}

type Answered =
  | { kind: 'no-message' }
  | { kind: 'no-widget' }
  | { kind: 'unfinished' }
  | { kind: 'answered'; part: null }
  | { kind: 'done'; part: WidgetPart };
type Widget = { status: MessageStatus; part: MessagePart | null };

/** Writes what the user answered to a widget beside it, once. Under the lock of the conversation. */
export async function answerWidget(
  tx: Tx,
  {
    conversationId,
    messageId,
    partIndex,
    response,
  }: { conversationId: string; messageId: string; partIndex: number; response: Json },
): Promise<Answered> {
  const [row] = await tx.query<Widget>(
    'SELECT status, parts->$3::int AS part FROM message WHERE id = $1::uuid AND conversation_id = $2::uuid',
    [...[messageId, conversationId, Math.max(partIndex, 0)]],
  );
  if (!row || row.status === 'SUPERSEDED') return { kind: 'no-message' };
  if (row.status === 'STREAMING' || row.status === 'PENDING') return { kind: 'unfinished' };
  if (row.part?.type !== 'widget' || partIndex < 0) return { kind: 'no-widget' };
  if (row.part.response !== undefined) return { kind: 'answered', part: null };
  await tx.query(
    'UPDATE message SET parts = jsonb_set(parts, $2::text[], $3::jsonb), updated_at = now() WHERE id = $1::uuid',
    [...[messageId, [String(partIndex), 'response'], JSON.stringify(response)]],
  );
  return { kind: 'done', part: row.part };
}

export type EndedAnswer = { id: string; turnId: string; contentLength: number; contentSha256: string };

/** Ends the answers of turns that never began: nothing was said. */
export const endAnswers = (tx: Tx, turnIds: readonly string[], finishReason: FinishReason): Promise<EndedAnswer[]> =>
  tx.query(
    `UPDATE message SET status = (CASE WHEN status = 'SUPERSEDED' THEN 'SUPERSEDED' ELSE 'STOPPED'
      END)::message_status, finish_reason = $2, updated_at = now()
     WHERE turn_id = ANY($1::uuid[]) AND role = 'ASSISTANT' AND finish_reason IS NULL
     RETURNING id, turn_id AS "turnId", content_length AS "contentLength", content_sha256 AS "contentSha256"`,
    [turnIds, finishReason],
  );

export type Superseded = {
  id: string;
  turnId: string | null;
  role: MessageRole;
  parts: MessagePart[];
  tokenCount: number;
};

const gone = `), fewer AS (
  ${subtractMessages('$2::uuid', 'SELECT count(*)::int AS count FROM gone')}
)
SELECT id, turn_id AS "turnId", role, parts, token_count AS "tokenCount" FROM gone ORDER BY ordinal`;

/** Takes the answers of a turn out of the conversation because others take their place. Returns their ids. */
export async function supersedeAnswers(tx: Tx, conversationId: string, turnId: string): Promise<string[]> {
  const rows = await tx.query<{ id: string }>(
    `WITH gone AS (
       UPDATE message SET status = 'SUPERSEDED', updated_at = now()
       WHERE turn_id = $1::uuid AND role = 'ASSISTANT' AND ${notSuperseded} RETURNING *
     ${gone}`,
    [turnId, conversationId],
  );
  return rows.map(({ id }) => id);
}

/**
 * Takes what was asked and answered in these turns out of the conversation, with everything that follows it on any
 * branch, because something else takes its place. Returns it in order.
 */
export async function supersedeTurns(
  tx: Tx,
  conversationId: string,
  turnIds: readonly string[],
): Promise<Superseded[]> {
  return tx.query<Superseded>(
    `${below('SELECT branch_id, ordinal FROM message WHERE turn_id = ANY($1::uuid[])')}, gone AS (
       UPDATE message m SET status = 'SUPERSEDED', updated_at = now()
       FROM (SELECT branch_id, min(since) AS since FROM below GROUP BY branch_id) b
       WHERE m.branch_id = b.branch_id AND m.ordinal >= b.since AND m.${notSuperseded} RETURNING m.*
     ${gone}`,
    [turnIds, conversationId],
  );
}

/**
 * What followed an answer that is not part of the conversation any more follows its question. Says whether that is the
 * last message now.
 */
export async function passOver(tx: Tx, conversationId: string, answerId: string, questionId: string): Promise<boolean> {
  await tx.query('UPDATE message SET parent_id = $3::uuid WHERE parent_id = $2::uuid AND conversation_id = $1::uuid', [
    conversationId,
    answerId,
    questionId,
  ]);
  return moveActiveLeaf(tx, conversationId, answerId, questionId);
}

/** The JSON column as what it holds: only this file and settlement write it. */
export const partsOf = (parts: Prisma.JsonValue): MessagePart[] => parts as MessagePart[];

/** What is stored of the text of a message beside it. */
export function textFacts(parts: MessagePart[]): { contentLength: number; contentSha256: string } {
  const content = contentOf(parts) ?? '';
  return { contentLength: content.length, contentSha256: sha256(content) };
}
