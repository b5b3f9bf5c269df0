import type { Approval, ToolCall } from '../../generated/prisma/client.ts';
import { groupBy } from '../../kernel/group.ts';
import type { Db } from '../../platform/db.ts';

/** A conversation may wait for many decisions; nobody reads more than these at once. */
const maxPending = 100;

/** Rows of many parents, each list in one statement. */
export const createCallRows = (db: Db) => ({
  async callsOfMessages(messageIds: readonly string[]): Promise<Map<string, ToolCall[]>> {
    const rows = await db.toolCall.findMany({ where: { messageId: { in: [...messageIds] } }, orderBy: { number: 'asc' } });
    return groupBy(rows, ({ messageId }) => messageId);
  },
  async callsOfTurns(turnIds: readonly string[]): Promise<Map<string, ToolCall[]>> {
    const rows = await db.toolCall.findMany({ where: { turnId: { in: [...turnIds] } }, orderBy: { number: 'asc' } });
    return groupBy(rows, ({ turnId }) => turnId!);
  },
  async approvalsOfCalls(callIds: readonly string[]): Promise<Map<string, Approval>> {
    const rows = await db.approval.findMany({ where: { toolCallId: { in: [...callIds] } } });
    return new Map(rows.map((row) => [row.toolCallId, row]));
  },
  async pendingOfConversations(conversationIds: readonly string[]): Promise<Map<string, Approval[]>> {
    const ids = await db.$queryRaw<{ id: string }[]>`
      SELECT w.id FROM unnest(${conversationIds}::uuid[]) AS p(id)
      CROSS JOIN LATERAL (SELECT id FROM approval WHERE conversation_id = p.id AND status = 'PENDING' AND expires_at > now() ORDER BY id LIMIT ${maxPending}) AS w`;
    const rows = await db.approval.findMany({ where: { id: { in: ids.map(({ id }) => id) } }, orderBy: { requestedAt: 'asc' } });
    return groupBy(rows, ({ conversationId }) => conversationId);
  },
});
