import type { ContextRecord } from '../../contracts/context.ts';
import { groupBy } from '../../kernel/group.ts';
import type { Database, Db, Tx } from '../../platform/db.ts';
import { turnsAs } from '../turns/index.ts';

/** Begins the attempt that follows the one before, in the same process. */
export const insertAttempt = (
  tx: Tx,
  { turnId, number, worker }: { turnId: string; number: number; worker: string },
): Promise<unknown> =>
  tx.query(
    `INSERT INTO turn_attempt (turn_id, number, worker, isolated)
     SELECT $1::uuid, $2::int, $3, coalesce((SELECT isolated FROM turn_attempt WHERE turn_id = $1::uuid
       AND number = $2::int - 1), false)`,
    [turnId, number, worker],
  );

/** Attempts that no worker ended, from before the present one. */
export const findAbandoned = (db: Db, turnId: string, before: number) =>
  db.turnAttempt.findMany({
    where: { turnId, number: { lt: before }, outcome: 'RUNNING' },
    orderBy: { number: 'asc' },
  });

/** Says that the provider is about to be called; false where the turn is another worker's by now. */
export async function markRequested(
  database: Database,
  { turnId, fence, number, record }: { turnId: string; fence: number; number: number; record: ContextRecord },
): Promise<boolean> {
  const rows = await database.query(
    `UPDATE turn_attempt a SET requested_at = now(), input_tokens = $4, context = $5
     FROM ${turnsAs('t')} WHERE t.id = a.turn_id AND a.turn_id = $1::uuid AND a.number = $2 AND t.fence = $3
       AND t.finished_at IS NULL RETURNING 1`,
    [turnId, number, fence, record.tokens, JSON.stringify(record)],
  );
  return rows.length === 1;
}

type End = {
  outcome: 'COMPLETED' | 'CRASHED' | 'PROVIDER_ERROR' | 'SUPERSEDED';
  /** False where its call was announced, and then never sent. */
  called?: boolean;
  providerResponseId?: string | null;
  keptCharacters?: number;
  /** Of a crash: what the turn had finished by then. */
  progress?: number;
};

/** Ends an attempt, once: false where it had ended before. */
export async function endAttempt(tx: Tx, turnId: string, number: number, end: End): Promise<boolean> {
  const { outcome, called = true, providerResponseId = null, keptCharacters = 0, progress = null } = end;
  const rows = await tx.query(
    `UPDATE turn_attempt
     SET outcome = $3, ended_at = now(), provider_response_id = $4, kept_characters = $5,
       requested_at = CASE WHEN $6::boolean THEN requested_at END,
       progress = $7
     WHERE turn_id = $1 AND number = $2 AND outcome = 'RUNNING' RETURNING 1`,
    [turnId, number, outcome, providerResponseId, keptCharacters, called, progress],
  );
  return rows.length === 1;
}

/** The deaths of workers that a turn has ended count no more for those that ran beside it. */
export const excuseNeighbours = (database: Database, turnId: string): Promise<unknown> =>
  database.query(
    `UPDATE turn_attempt a SET progress = NULL FROM turn_attempt own, ${turnsAs('t')}
     WHERE own.turn_id = $1::uuid AND own.outcome = 'CRASHED' AND NOT own.isolated
       AND t.status IN ('RUNNING', 'RECOVERING') AND t.id <> own.turn_id AND a.turn_id = t.id
         AND a.worker = own.worker AND a.outcome = 'CRASHED'`,
    [turnId],
  );

/** The attempts at each of these turns, in order. */
export async function findAttempts(db: Db, turnIds: readonly string[]) {
  const rows = await db.turnAttempt.findMany({ where: { turnId: { in: [...turnIds] } }, orderBy: { number: 'asc' } });
  return groupBy(rows, ({ turnId }) => turnId);
}
