import DataLoader from 'dataloader';
import { groupBy } from '../kernel/group.ts';
import type { Database } from '../platform/db.ts';
import type { PageRequest } from './paging.ts';

export type PathRequest = {
  /** The message that the path leads to from the beginning of the conversation. */
  leafId: string;
  page: PageRequest;
};

/** The paths to many messages, each as pieces of branches up to an ordinal: few, however long the path. $1 messages. The limit, which changes nothing, keeps
 * the database from reading all branches for a few. */
const segments = `
WITH RECURSIVE segment(leaf, branch_id, upto) AS (
  SELECT id, branch_id, ordinal FROM message WHERE id = ANY($1::uuid[])
  UNION ALL
  SELECT s.leaf, b.parent_id, b.fork_ordinal FROM segment s CROSS JOIN LATERAL (
    SELECT parent_id, fork_ordinal FROM branch WHERE id = s.branch_id AND parent_id IS NOT NULL LIMIT 1) b
)`;

/** A message that another took the place of is not part of the conversation any more. */
const shown = "r.status <> 'SUPERSEDED'";

/** One page each of the paths to many messages, in one statement: of each piece the database walks the index to the limit. */
export function createPathLoader(query: Database['query']): DataLoader<PathRequest, string[], string> {
  const keyOf = (request: PathRequest) => JSON.stringify(request);
  return new DataLoader(
    async (requests) => {
      const found = new Map<string, string[]>();
      for (const group of groupBy(requests, ({ page }) => JSON.stringify(page)).values()) {
        const { page } = group[0]!;
        const leaves = [...new Set(group.map(({ leafId }) => leafId))];
        const rows = await query<{ leaf: string; ids: string[] }>(pageOf(page), [leaves, page.limit + 1, page.from?.[0] ?? null]);
        for (const { leaf, ids } of rows) found.set(keyOf({ leafId: leaf, page }), ids);
      }
      return requests.map((request) => found.get(keyOf(request)) ?? []);
    },
    { cacheKeyFn: keyOf },
  );
}

function pageOf({ backward, from }: PageRequest): string {
  const direction = backward ? 'DESC' : 'ASC';
  // PostgreSQL must be told the type of a parameter that this page does not use.
  const after = from === null ? '$3::bigint IS NULL' : `r.ordinal ${backward ? '<' : '>'} $3::bigint`;
  return `${segments}
    SELECT w.leaf, array_agg(w.id ORDER BY w.place) AS ids FROM (
      SELECT s.leaf, r.id, row_number() OVER (PARTITION BY s.leaf ORDER BY r.ordinal ${direction}) AS place
      FROM segment s CROSS JOIN LATERAL (
        SELECT r.id, r.ordinal FROM message r
        WHERE r.branch_id = s.branch_id AND r.ordinal <= s.upto AND ${after} AND ${shown} ORDER BY r.ordinal ${direction} LIMIT $2::int) AS r) AS w
    WHERE w.place <= $2::int GROUP BY w.leaf`;
}

/** How long the paths to many messages are. */
export const createPathCounts =
  (query: Database['query']) =>
  async (leafIds: readonly string[]): Promise<Map<string, number>> => {
    const rows = await query<{ leaf: string; count: number }>(
      `${segments}
       SELECT s.leaf, count(*)::int AS count FROM segment s JOIN message r ON r.branch_id = s.branch_id AND r.ordinal <= s.upto WHERE ${shown} GROUP BY s.leaf`,
      [leafIds],
    );
    return new Map(rows.map(({ leaf, count }) => [leaf, count]));
  };
