import type { PageRequest } from '../../../graph/lists/paging.ts';
import type { Tx } from '../../../platform/db.ts';
import { notSuperseded, segments, walk } from './segments.sql.ts';

/**
 * One page each of the ways to many messages, in one statement: the ids in the order of the page, one more than its
 * limit where there are more.
 */
export async function pathPages(
  tx: Tx,
  leafIds: readonly string[],
  { limit, backward, from }: PageRequest,
): Promise<Map<string, string[]>> {
  const direction = backward ? 'DESC' : 'ASC';
  const rows = await tx.query<{ leaf: string; ids: string[] }>(
    `${segments}
     SELECT w.leaf, array_agg(w.id ORDER BY w.place) AS ids FROM (
       SELECT s.leaf, m.id, row_number() OVER (PARTITION BY s.leaf ORDER BY m.ordinal ${direction}) AS place
       FROM ${walk({ backward, only: notSuperseded, limit: '$2::int', from: '$3' })}) w
     WHERE w.place <= $2::int GROUP BY w.leaf`,
    [leafIds, limit + 1, from?.[0] ?? null],
  );
  return new Map(rows.map(({ leaf, ids }) => [leaf, ids]));
}

/** How long the ways to many messages are. */
export async function pathLengths(tx: Tx, leafIds: readonly string[]): Promise<Map<string, number>> {
  const rows = await tx.query<{ leaf: string; count: number }>(
    `${segments}
     SELECT s.leaf, count(*)::int AS count FROM segment s JOIN message m ON m.branch_id = s.branch_id
       AND m.ordinal <= s.upto WHERE m.${notSuperseded} GROUP BY s.leaf`,
    [leafIds],
  );
  return new Map(rows.map(({ leaf, count }) => [leaf, count]));
}
