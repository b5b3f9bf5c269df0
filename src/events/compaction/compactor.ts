import type { LogEvent } from '../../contracts/turn-event.ts';
import { pause } from '../../kernel/async.ts';
import type { Database } from '../../platform/db.ts';
import type { Pace } from '../pace.ts';
import { planCompaction } from './plan.ts';

/** Turns that wait here at the most; what is more than these is found in the database. */
const maxDue = 1_000;
/** How long a turn that has ended may wait for the process to have time. */
const patienceMs = 5_000;
const lookMs = 50;
/** How long a process that ends goes on with what is due. */
const lastMs = 1_000;

type CompactorDeps = { database: Database; pace: Pick<Pace, 'isBusy'>; onFault: (error: unknown) => void };

/**
 * Compacts turns as they settle, one after another and when the process has time: nobody waits for it, and many turns
 * that end together would hold up those that go on. Whatever is not done here, the sweep of some worker does later.
 */
export function createCompactor({ database, pace, onFault }: CompactorDeps) {
  const due: { turnId: string; until: number }[] = [];
  const hurried = new AbortController();
  let end = Number.POSITIVE_INFINITY;
  let working: Promise<void> | null = null;

  async function work(): Promise<void> {
    for (let next = due.shift(); next && performance.now() < end; next = due.shift()) {
      while (pace.isBusy() && performance.now() < next.until && !hurried.signal.aborted)
        await pause(lookMs, hurried.signal);
      await compactTurn(database, next.turnId).catch(onFault);
    }
    working = null;
  }

  return {
    add(turnId: string): void {
      if (due.length === maxDue) return;
      due.push({ turnId, until: performance.now() + patienceMs });
      working ??= work();
    },
    /** Waits for nothing more. Resolves when nothing is due; after a second nothing more is begun. */
    async finish(): Promise<void> {
      end = performance.now() + lastMs;
      hurried.abort();
      await working;
    },
  };
}

export type Compactor = ReturnType<typeof createCompactor>;

/** Merges the deltas of a settled turn, once; a turn that is not waiting for it is left alone. */
export async function compactTurn(database: Database, turnId: string): Promise<void> {
  await database.transact(async (tx) => {
    const rows = await tx.query<LogEvent>(
      `WITH due AS (DELETE FROM compaction WHERE turn_id = $1::uuid RETURNING turn_id)
       SELECT e.seq, e.at, e.turn_id AS "turnId", e.body FROM due JOIN event e ON e.turn_id = due.turn_id
       ORDER BY e.seq`,
      [turnId],
    );
    const { remove, replace } = planCompaction(rows);
    if (remove.length === 0) return; // what is merged leaves rows behind
    tx.pipeline(
      `WITH merged AS (
         UPDATE event SET body = r.body FROM json_to_recordset($2::json) AS r(seq bigint, body json)
           WHERE event.turn_id = $1::uuid AND event.seq = r.seq
       )
       DELETE FROM event WHERE turn_id = $1::uuid AND seq = ANY($3::bigint[])`,
      [turnId, JSON.stringify(replace), remove],
    );
  });
}

/** Turns that settled more than a few seconds ago and were not compacted since: their process died in between. */
export const findUncompacted = (database: Database, limit: number): Promise<{ turnId: string }[]> =>
  database.query(
    `SELECT turn_id AS "turnId" FROM compaction WHERE created_at < now() - interval '5 seconds'
      ORDER BY created_at LIMIT $1`,
    [limit],
  );
