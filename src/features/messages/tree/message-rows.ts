import type { FoundRow } from '../../../graph/budget/index.ts';
import type { Rows } from '../../../graph/rows.ts';
import type { Db } from '../../../platform/db.ts';
import { joinLiving } from '../../conversations/index.ts';
import type { MessageContents } from '../rows.ts';

type FoundMessage = FoundRow<Rows['Message'], MessageContents>;

/** A question may be answered, and a message put otherwise, any number of times; nobody is shown more at once. */
export const maxRelatives = 30;

/** Bytes of what may be large of a message. Rows from before they were stored are measured here. */
const bytes = 'coalesce(m.bytes, message_bytes(m.parts, m.metadata))';
const whole = `sum(${bytes}) OVER () <= $1::int`;

/**
 * Messages `m` with their contents where these are no more than $1 bytes together: they are not even looked at
 * otherwise.
 */
const select = `
  SELECT m.id, m.conversation_id AS "conversationId", m.turn_id AS "turnId", m.parent_id AS "parentId",
    m.branch_id AS "branchId", m.depth,
    m.role::text AS role, m.status::text AS status, m.finish_reason::text AS "finishReason",
      m.tool_call_id AS "toolCallId", m.ordinal, m.model,
    m.token_count AS "tokenCount", m.estimated_cost AS "estimatedCost", m.request_id AS "requestId",
      m.response_time_ms AS "responseTimeMs",
    m.time_to_first_token_ms AS "timeToFirstTokenMs", m.content_length AS "contentLength",
      m.content_sha256 AS "contentSha256",
    m.created_at AS "createdAt", m.updated_at AS "updatedAt", ${bytes} AS bytes, ${whole} AS "isWhole",
    CASE WHEN ${whole} THEN m.parts END AS parts, CASE WHEN ${whole} THEN m.metadata END AS metadata
  FROM message m`;

const living = joinLiving('c', 'm.conversation_id');

/** Messages for answers. `room` is how many bytes of contents may be read with them. */
export const createMessageRows = (db: Db) => ({
  /** By their ids; `ownerId` leaves out what is not in a conversation of this user's. */
  byIds: (ids: readonly string[], room: number, ownerId: string | null = null): Promise<FoundMessage[]> =>
    db.$queryRawUnsafe(
      `${select} ${living} AND ($3::uuid IS NULL OR c.owner_id = $3::uuid) WHERE m.id = ANY($2::uuid[])`,
      room,
      ids,
      ownerId,
    ),

  contents: (ids: readonly string[]): Promise<(MessageContents & { id: string })[]> =>
    db.message.findMany({ where: { id: { in: [...ids] } }, select: { id: true, parts: true, metadata: true } }),

  /** What was written in each of these turns, in order. */
  ofTurns: async (turnIds: readonly string[], room: number): Promise<FoundMessage[]> =>
    db.$queryRawUnsafe(
      `${select} WHERE m.turn_id = ANY($2::uuid[]) AND m.role <> 'USER' ORDER BY m.ordinal`,
      room,
      turnIds,
    ),

  /** What follows each of these messages directly, in order. What another took the place of is left out. */
  childrenOf: (parentIds: readonly string[], room: number): Promise<FoundMessage[]> =>
    db.$queryRawUnsafe(
      `${select} WHERE m.id = ANY(ARRAY(
         SELECT w.id FROM unnest($2::uuid[]) AS p(id) CROSS JOIN LATERAL (
           SELECT id FROM message WHERE parent_id = p.id AND status <> 'SUPERSEDED' ORDER BY ordinal
             LIMIT ${maxRelatives}) AS w)) ORDER BY m.ordinal`,
      room,
      parentIds,
    ),

  /** The first messages of each of these conversations: one for each branch that begins there. */
  rootsOf: (conversationIds: readonly string[], room: number): Promise<FoundMessage[]> =>
    db.$queryRawUnsafe(
      `${select} WHERE m.id = ANY(ARRAY(
         SELECT w.id FROM unnest($2::uuid[]) AS p(id) CROSS JOIN LATERAL (
           SELECT m.id FROM message m WHERE m.ordinal = (SELECT min(ordinal) FROM message WHERE branch_id = p.id)
             AND m.branch_id = p.id AND m.status <> 'SUPERSEDED'
           UNION ALL
           (SELECT f.id FROM branch b CROSS JOIN LATERAL (SELECT id, status, ordinal FROM message
             WHERE branch_id = b.id ORDER BY ordinal LIMIT 1) AS f
            WHERE b.conversation_id = p.id AND b.parent_id IS NULL AND f.status <> 'SUPERSEDED'
              ORDER BY f.ordinal LIMIT ${maxRelatives})) AS w)) ORDER BY m.ordinal`,
      room,
      conversationIds,
    ),
});
