import type { FoundRow } from '../../graph/budget/index.ts';
import type { Rows } from '../../graph/rows.ts';
import { groupBy } from '../../kernel/group.ts';
import type { Db } from '../../platform/db.ts';
import type { CallContents } from './rows.ts';

export type FoundCall = FoundRow<Rows['ToolCall'], CallContents>;

/** A conversation may wait for many decisions; nobody reads more than these at once. */
const maxPending = 100;

/** Bytes of what may be large of a call. Rows from before they were stored are measured here. */
const bytes = 'coalesce(t.bytes, tool_call_bytes(t.arguments_text, t.arguments, t.result, t.error_message))';
const whole = `sum(${bytes}) OVER () <= $1::int`;

/**
 * Calls `t` with their contents where these are no more than $1 bytes together: they are not even looked at otherwise.
 */
const select = `
  SELECT t.id, t.message_id AS "messageId", t.number, t.turn_id AS "turnId", t.step, t.call_id AS "callId",
    t.tool_name AS "toolName",
    t.status::text AS status, t.replay::text AS replay, t.attempts, t.error_code AS "errorCode",
      t.result_index AS "resultIndex",
    t.started_at AS "startedAt", t.finished_at AS "finishedAt", ${bytes} AS bytes, ${whole} AS "isWhole",
    CASE WHEN ${whole} THEN t.arguments_text END AS "argumentsText",
      CASE WHEN ${whole} THEN t.arguments END AS arguments,
    CASE WHEN ${whole} THEN t.result END AS result, CASE WHEN ${whole} THEN t.error_message END AS "errorMessage"
  FROM tool_call t`;

/** Calls for answers. `room` is how many bytes of contents may be read with them. */
export const createCallRows = (db: Db) => ({
  byIds: (ids: readonly string[], room: number): Promise<FoundCall[]> =>
    db.$queryRawUnsafe(`${select} WHERE t.id = ANY($2::uuid[])`, room, ids),
  contents: (ids: readonly string[]): Promise<(CallContents & { id: string })[]> =>
    db.toolCall.findMany({
      where: { id: { in: [...ids] } },
      select: { id: true, argumentsText: true, arguments: true, result: true, errorMessage: true },
    }),
  ofMessages: (messageIds: readonly string[], room: number): Promise<FoundCall[]> =>
    db.$queryRawUnsafe(`${select} WHERE t.message_id = ANY($2::uuid[]) ORDER BY t.number`, room, messageIds),
  ofTurns: (turnIds: readonly string[], room: number): Promise<FoundCall[]> =>
    db.$queryRawUnsafe(`${select} WHERE t.turn_id = ANY($2::uuid[]) ORDER BY t.number`, room, turnIds),
});

/** Questions of many parents, in one or two statements. */
export const createApprovalRows = (db: Db) => ({
  /** Those of conversations that are not deleted, in any order. */
  byIds: (ids: readonly string[]): Promise<Rows['Approval'][]> =>
    db.approval.findMany({ where: { id: { in: [...ids] }, conversation: { deletedAt: null } } }),
  async ofCalls(callIds: readonly string[]): Promise<Map<string, Rows['Approval']>> {
    const rows = await db.approval.findMany({ where: { toolCallId: { in: [...callIds] } } });
    return new Map(rows.map((row) => [row.toolCallId, row]));
  },
  async pendingOf(conversationIds: readonly string[]): Promise<Map<string, Rows['Approval'][]>> {
    const ids = await db.$queryRaw<{ id: string }[]>`
      SELECT w.id FROM unnest(${conversationIds}::uuid[]) AS p(id)
      CROSS JOIN LATERAL (SELECT id FROM approval WHERE conversation_id = p.id AND status = 'PENDING'
        AND expires_at > now() ORDER BY id LIMIT ${maxPending}) AS w`;
    const rows = await db.approval.findMany({
      where: { id: { in: ids.map(({ id }) => id) } },
      orderBy: { requestedAt: 'asc' },
    });
    return groupBy(rows, ({ conversationId }) => conversationId);
  },
  /** What people put in place of the arguments of calls, by approval: it may be large. */
  editedArguments: {
    lengths: (ids: readonly string[]) =>
      db.$queryRaw<{ id: string; bytes: number }[]>`
        SELECT id, octet_length(edited_arguments::text) AS bytes FROM approval WHERE id = ANY(${ids}::uuid[])
          AND edited_arguments IS NOT NULL`,
    async values(ids: readonly string[]): Promise<Map<string, unknown>> {
      const rows = await db.approval.findMany({
        where: { id: { in: [...ids] } },
        select: { id: true, editedArguments: true },
      });
      return new Map(rows.map((row) => [row.id, row.editedArguments]));
    },
  },
});
