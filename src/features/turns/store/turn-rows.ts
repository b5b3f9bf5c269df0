import type { Rows } from '../../../graph/rows.ts';
import { groupBy } from '../../../kernel/group.ts';
import type { Db } from '../../../platform/db.ts';

/** A conversation may have any number of waiting turns; nobody reads more than these at once. */
const maxQueue = 101;

/** Rows of many parents, each list in one statement. */
export const createTurnRows = (db: Db) => ({
  /** Those of conversations that are not deleted, in any order. */
  byIds: (ids: readonly string[]): Promise<Rows['Turn'][]> =>
    db.turn.findMany({ where: { id: { in: [...ids] }, conversation: { deletedAt: null } } }),
  async unfinishedTurns(conversationIds: readonly string[]): Promise<Map<string, Rows['Turn'][]>> {
    const ids = await db.$queryRaw<{ id: string }[]>`
      SELECT w.id FROM unnest(${conversationIds}::uuid[]) AS p(id)
      CROSS JOIN LATERAL (SELECT id FROM turn WHERE conversation_id = p.id AND finished_at IS NULL
        ORDER BY ordinal LIMIT ${maxQueue}) AS w`;
    const rows = await db.turn.findMany({
      where: { id: { in: ids.map(({ id }) => id) } },
      orderBy: { ordinal: 'asc' },
    });
    return groupBy(rows, ({ conversationId }) => conversationId);
  },
});

/** For each of these turns, how many unfinished ones of its conversation come before it. */
export async function queuePositions(db: Db, turnIds: readonly string[]): Promise<Map<string, number>> {
  const rows = await db.$queryRaw<{ id: string; ahead: bigint }[]>`
    SELECT t.id, (SELECT count(*) FROM turn o WHERE o.conversation_id = t.conversation_id AND o.finished_at IS NULL
      AND o.ordinal < t.ordinal) AS ahead
    FROM turn t WHERE t.id = ANY(${turnIds}::uuid[])`;
  return new Map(rows.map(({ id, ahead }) => [id, Number(ahead)]));
}
