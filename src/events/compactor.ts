import type { LogEvent } from '../contracts/turn-event.ts';
import type { Database } from '../platform/db.ts';
import { planCompaction } from './compact.ts';

/** Merges the deltas of a settled turn, once; a turn that is not waiting for it is left alone. */
export async function compactTurn(database: Database, turnId: string): Promise<void> {
  await database.transact(async (tx) => {
    const waiting = await tx.query<{ conversationId: string }>(
      'DELETE FROM compaction c USING turn t WHERE c.turn_id = $1::uuid AND t.id = c.turn_id RETURNING t.conversation_id AS "conversationId"',
      [turnId],
    );
    if (!waiting[0]) return;
    const rows = await tx.query<LogEvent>('SELECT seq, at, turn_id AS "turnId", body FROM event WHERE turn_id = $1::uuid ORDER BY seq', [turnId]);
    const { remove, replace } = planCompaction(rows);
    if (replace.length > 0)
      await tx.query(
        `UPDATE event SET body = r.body FROM json_to_recordset($2::json) AS r(seq bigint, body json)
         WHERE event.conversation_id = $1::uuid AND event.seq = r.seq`,
        [waiting[0].conversationId, JSON.stringify(replace)],
      );
    if (remove.length > 0)
      await tx.query('DELETE FROM event WHERE conversation_id = $1::uuid AND seq = ANY($2::bigint[])', [waiting[0].conversationId, remove]);
  });
}

/** Turns that settled more than a few seconds ago and were not compacted since: their process died in between. */
export const findUncompacted = (database: Database, limit: number): Promise<{ turnId: string }[]> =>
  database.query(`SELECT turn_id AS "turnId" FROM compaction WHERE created_at < now() - interval '5 seconds' ORDER BY created_at LIMIT $1`, [limit]);
