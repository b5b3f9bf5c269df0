/**
 * The ways from messages back to the first one, as pieces of branches: each up to an ordinal. A conversation of one
 * branch is one piece, however long it is; each edit or other answer on the way adds one. $1 messages. The limit, which
 * changes nothing, keeps the database from reading all branches for a few.
 */
export const segments = `
WITH RECURSIVE segment(leaf, branch_id, upto) AS (
  SELECT id, branch_id, ordinal FROM message WHERE id = ANY((SELECT $1::uuid[])::uuid[])
  UNION ALL
  SELECT s.leaf, b.parent_id, b.fork_ordinal FROM segment s CROSS JOIN LATERAL (
    SELECT parent_id, fork_ordinal FROM branch WHERE id = s.branch_id AND parent_id IS NOT NULL LIMIT 1) b
)`;

/**
 * What hangs on messages, as the ends of branches: each from an ordinal on. `roots` gives the messages, as `branch_id`
 * and `ordinal`.
 */
export const below = (roots: string): string => `
WITH RECURSIVE below(branch_id, since) AS (
  ${roots}
  UNION
  SELECT b.id, b.fork_ordinal FROM below JOIN branch b ON b.parent_id = below.branch_id
    AND b.fork_ordinal >= below.since
)`;

/** A message that another took the place of is not part of the conversation any more. */
export const notSuperseded = "status <> 'SUPERSEDED'";

type Walk = {
  /** Whether it begins at the end of the way. */
  backward: boolean;
  /** Which messages count. */
  only: string;
  limit: string;
  /** An ordinal behind which it begins, or before which where it goes backward; a parameter, or null. */
  from?: string;
};

/**
 * The first messages `m` of each `segment s`: a walk along the index between two places of it. Asked for one branch in
 * other words, the database takes it for a short one and sorts it whole; and without the second place the walk would go
 * on into other conversations.
 */
export function walk({ backward, only, limit, from = 'NULL' }: Walk): string {
  const first = `(branch_id, ordinal) > (s.branch_id, ${backward ? 0 : `coalesce(${from}::bigint, 0)`})`;
  const last = `(branch_id, ordinal) <= (s.branch_id, ${backward ? `least(s.upto, ${from}::bigint - 1)` : 's.upto'})`;
  const order = backward ? 'branch_id DESC, ordinal DESC' : 'branch_id, ordinal';
  return `segment s CROSS JOIN LATERAL (SELECT * FROM message WHERE ${first} AND ${last} AND ${only}
    ORDER BY ${order} LIMIT ${limit}) m`;
}
