import { v7 as uuidv7 } from 'uuid';
import type { MessagePart, MessageRole, MessageStatus } from '../../../contracts/message.ts';
import type { Transaction } from '../../../platform/db.ts';
import { placeMessages } from '../../conversations/index.ts';
import { textFacts } from '../message-store.ts';

export type NewMessage = {
  role: MessageRole;
  status: MessageStatus;
  parts: MessagePart[];
  tokenCount?: number;
  model?: string;
};

/** Where new messages go: behind this message, or beside the first ones where it is null. */
export type InsertPosition = {
  conversationId: string;
  /** The turn that they belong to, which the transaction may yet make; null: none. */
  turnId: string | null;
  parentId: string | null;
  /** What the conversation is called from now on. */
  title?: string | null;
};

/**
 * Adds messages, each behind the one before it, and shows the branch they are on. They go on with the branch of their
 * parent, unless something follows that already: then they begin a branch of their own. Takes the row lock of the
 * conversation, which orders them among all others. Returns their ids.
 */
export function appendMessages(
  tx: Transaction,
  { conversationId, turnId, parentId, title }: InsertPosition,
  messages: readonly NewMessage[],
): string[] {
  const ids = messages.map(() => uuidv7());
  const rows = messages.map(({ tokenCount = 0, parts, ...message }, index) => {
    const facts = textFacts(parts);
    return {
      id: ids[index],
      parentId: ids[index - 1] ?? parentId,
      place: index + 1,
      parts,
      tokenCount,
      ...facts,
      ...message,
    };
  });
  tx.pipeline(append, [
    conversationId,
    parentId,
    JSON.stringify(rows),
    rows.length,
    ids.at(-1),
    title ?? null,
    uuidv7(),
    turnId,
  ]);
  return ids;
}

/**
 * $1 conversation, $2 parent or null, $3 JSON array of messages, $4 how many, $5 the last of them, $6 title or null, $7
 * id for a new branch, $8 turn.
 */
const append = `
WITH place AS (
  ${placeMessages({ conversation: '$1::uuid', count: '$4::int', leaf: '$5::uuid', title: '$6' })}
), behind AS (
  SELECT p.branch_id, p.ordinal, p.depth, (SELECT max(ordinal) FROM message
    WHERE branch_id = p.branch_id) > p.ordinal AS is_followed
  FROM message p WHERE p.id = $2::uuid
  UNION ALL SELECT NULL, 0, -1, place.last > 0 FROM place WHERE $2::uuid IS NULL
), fork AS (
  INSERT INTO branch (id, conversation_id, parent_id, fork_ordinal) SELECT $7::uuid, $1::uuid, branch_id, ordinal
    FROM behind WHERE is_followed
)
INSERT INTO message (id, conversation_id, turn_id, parent_id, branch_id, depth, role, status, parts, ordinal,
  model, token_count, content_length, content_sha256)
SELECT m.id, $1::uuid, $8::uuid, m."parentId",
  CASE WHEN behind.is_followed THEN $7::uuid ELSE coalesce(behind.branch_id, $1::uuid) END,
  behind.depth + m.place, m.role, m.status, m.parts,
  place.last + m.place, m.model, m."tokenCount", m."contentLength", m."contentSha256"
FROM place, behind, json_to_recordset($3::json) AS m(id uuid, "parentId" uuid, role message_role,
  status message_status, parts jsonb, place int,
  model text, "tokenCount" int, "contentLength" int, "contentSha256" text)`;
