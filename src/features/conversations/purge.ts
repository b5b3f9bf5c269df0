import type { Database, Tx } from '../../platform/db.ts';

/** Conversations deleted long enough ago that every reader has had the word, with no turn left that could still write. */
export const findPurgeable = (database: Database, limit: number): Promise<{ id: string }[]> =>
  database.query(
    `SELECT c.id FROM conversation c
     WHERE c.deleted_at < now() - interval '1 minute'
       AND NOT EXISTS (SELECT 1 FROM turn t WHERE t.conversation_id = c.id AND t.finished_at IS NULL)
     ORDER BY c.deleted_at LIMIT $1`,
    [limit],
  );

/** Locks a deleted conversation for one step of its purge; false where another worker has it. */
export async function lockForPurge(tx: Tx, id: string): Promise<boolean> {
  const rows = await tx.query('SELECT 1 FROM conversation WHERE id = $1::uuid AND deleted_at IS NOT NULL FOR NO KEY UPDATE SKIP LOCKED', [id]);
  return rows.length === 1;
}

/** The last step: the row that all others hung on. */
export async function purgeConversation(tx: Tx, id: string): Promise<void> {
  await tx.query('DELETE FROM conversation WHERE id = $1::uuid AND deleted_at IS NOT NULL', [id]);
}
