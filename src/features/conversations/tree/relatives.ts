import type { Message } from '../../../generated/prisma/client.ts';
import { groupBy } from '../../../kernel/group.ts';
import type { Db } from '../../../platform/db.ts';

/** A question may be answered, and a message put otherwise, any number of times; nobody is shown more at once. */
const maxRelatives = 30;

/** Messages beside or behind many others, in two statements each. Those that another took the place of are left out. */
export const createRelatives = (db: Db) => ({
  /** What follows each of these messages directly, in order. */
  async childrenOf(parentIds: readonly string[]): Promise<Map<string, Message[]>> {
    const ids = await db.$queryRaw<{ id: string }[]>`
      SELECT w.id FROM unnest(${parentIds}::uuid[]) AS p(id) CROSS JOIN LATERAL (
        SELECT id FROM message WHERE parent_id = p.id AND status <> 'SUPERSEDED' ORDER BY ordinal LIMIT ${maxRelatives}) AS w`;
    return groupBy(await rows(db, ids), ({ parentId }) => parentId!);
  },
  /** The first messages of each of these conversations: one for each branch that begins there. */
  async rootsOf(conversationIds: readonly string[]): Promise<Map<string, Message[]>> {
    const ids = await db.$queryRaw<{ id: string }[]>`
      SELECT w.id FROM unnest(${conversationIds}::uuid[]) AS p(id) CROSS JOIN LATERAL (
        SELECT m.id FROM message m WHERE m.ordinal = (SELECT min(ordinal) FROM message WHERE branch_id = p.id) AND m.branch_id = p.id AND m.status <> 'SUPERSEDED'
        UNION ALL
        (SELECT f.id FROM branch b CROSS JOIN LATERAL (SELECT id, status, ordinal FROM message WHERE branch_id = b.id ORDER BY ordinal LIMIT 1) AS f
         WHERE b.conversation_id = p.id AND b.parent_id IS NULL AND f.status <> 'SUPERSEDED' ORDER BY f.ordinal LIMIT ${maxRelatives})) AS w`;
    return groupBy(await rows(db, ids), ({ conversationId }) => conversationId);
  },
});

const rows = (db: Db, ids: readonly { id: string }[]): Promise<Message[]> =>
  db.message.findMany({ where: { id: { in: ids.map(({ id }) => id) } }, orderBy: { ordinal: 'asc' } });
