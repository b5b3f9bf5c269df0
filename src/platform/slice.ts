import type { Tx } from './transaction.ts';

/**
 * Rows of one conversation in their own order. The words come from the program and go into the statement as they are.
 */
export type Ordered = {
  /** What is done with the rows, up to its WHERE: `DELETE FROM …` or `UPDATE … SET …`. */
  change: string;
  table: string;
  order: string;
  type: 'bigint' | 'uuid';
};

/** `last` is where the next slice begins; null for the first one, and when there was nothing more. */
export type Slice = { rows: number; last: string | null };

const least = { bigint: '-1', uuid: '00000000-0000-0000-0000-000000000000' } as const;

/** The oldest `limit` rows of a conversation after `after`, which the slice before it ended with. */
type Part = { conversationId: string; after: string | null; limit: number };

/**
 * Changes the oldest `limit` rows after `after`: a statement that holds what it locks, and the connection, for a
 * bounded time.
 */
export async function changeSlice(
  tx: Tx,
  { change, table, order, type }: Ordered,
  { conversationId, after, limit }: Part,
): Promise<Slice> {
  const [slice] = await tx.query<Slice>(
    `WITH slice AS (
       SELECT ${order} AS at FROM ${table} WHERE conversation_id = $1::uuid AND ${order} > $2::${type}
         ORDER BY ${order} LIMIT $3::int
     ), changed AS (
       ${change} WHERE conversation_id = $1::uuid AND ${order} > $2::${type} AND ${order} <= (SELECT at
         FROM slice ORDER BY at DESC LIMIT 1)
     )
     SELECT count(*)::int AS rows, (SELECT s.at::text FROM slice s ORDER BY s.at DESC LIMIT 1) AS last FROM slice`,
    [conversationId, after ?? least[type], limit],
  );
  return slice!;
}
