import type { Database, Tx } from '../../../platform/db.ts';

/**
 * Conversations deleted long enough ago that every reader has had the word, the one deleted first before the others.
 * `busy` is a statement that finds what could still write in one: it is given the id of the conversation.
 */
export const findPurgeable = (
  database: Database,
  limit: number,
  busy: (conversationId: string) => string,
): Promise<{ id: string }[]> =>
  database.query(
    `SELECT c.id FROM conversation c
     WHERE c.deleted_at < now() - interval '1 minute'
       AND NOT EXISTS (${busy('c.id')})
     ORDER BY c.deleted_at LIMIT $1`,
    [limit],
  );

/** Locks a deleted conversation for one step of its purge; false where another worker has it. */
export async function lockForPurge(tx: Tx, id: string): Promise<boolean> {
  const rows = await tx.query(
    'SELECT 1 FROM conversation WHERE id = $1::uuid AND deleted_at IS NOT NULL FOR NO KEY UPDATE SKIP LOCKED',
    [id],
  );
  return rows.length === 1;
}

/** The last step: the row that all others hung on. */
export async function purgeConversation(tx: Tx, id: string): Promise<void> {
  await tx.query('DELETE FROM conversation WHERE id = $1::uuid AND deleted_at IS NOT NULL', [id]);
}
