import type { LogEvent } from '../../contracts/turn-event.ts';
import type { Database } from '../../platform/db.ts';
import { planCompaction } from './plan.ts';

/** Merges the deltas of a settled turn, once; a turn that is not waiting for it is left alone. */
export async function compactTurn(database: Database, turnId: string): Promise<void> {
  await database.transact(async (tx) => {
    const rows = await tx.query<LogEvent>(
      `WITH due AS (DELETE FROM compaction WHERE turn_id = $1::uuid RETURNING turn_id)
       SELECT e.seq, e.at, e.turn_id AS "turnId", e.body FROM due JOIN event e ON e.turn_id = due.turn_id ORDER BY e.seq`,
      [turnId],
    );
    const { remove, replace } = planCompaction(rows);
    if (remove.length === 0) return; // what is merged leaves rows behind
    await tx.query(
      `WITH merged AS (
         UPDATE event SET body = r.body FROM json_to_recordset($2::json) AS r(seq bigint, body json) WHERE event.turn_id = $1::uuid AND event.seq = r.seq
       )
       DELETE FROM event WHERE turn_id = $1::uuid AND seq = ANY($3::bigint[])`,
      [turnId, JSON.stringify(replace), remove],
    );
  });
}

/** Turns that settled more than a few seconds ago and were not compacted since: their process died in between. */
export const findUncompacted = (database: Database, limit: number): Promise<{ turnId: string }[]> =>
  database.query(`SELECT turn_id AS "turnId" FROM compaction WHERE created_at < now() - interval '5 seconds' ORDER BY created_at LIMIT $1`, [limit]);
