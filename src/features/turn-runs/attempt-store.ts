import type { Prisma } from '../../generated/prisma/client.ts';
import type { Database, Db } from '../../platform/db.ts';

export const insertAttempt = (tx: Db, data: Prisma.TurnAttemptUncheckedCreateInput) => tx.turnAttempt.create({ data });

/** When the first word of an attempt came, `ms` after its request was sent, by the clock of the database. */
export async function firstTokenOf(tx: Db, turnId: string, number: number, ms: number): Promise<Date | null> {
  const attempt = await tx.turnAttempt.findUnique({ where: { turnId_number: { turnId, number } }, select: { requestedAt: true } });
  return attempt?.requestedAt ? new Date(attempt.requestedAt.getTime() + ms) : null;
}

/** Attempts that no worker ended, from before the present one. */
export const findAbandoned = (db: Db, turnId: string, before: number) =>
  db.turnAttempt.findMany({ where: { turnId, number: { lt: before }, outcome: 'RUNNING' }, orderBy: { number: 'asc' } });

/** Says that the provider is about to be called; false where the turn is another worker's by now. */
export async function markRequested(
  database: Database,
  { turnId, fence, number, promptTokens }: { turnId: string; fence: number; number: number; promptTokens: number },
): Promise<boolean> {
  const rows = await database.query(
    `UPDATE turn_attempt a SET requested_at = now(), input_tokens = $4
     FROM turn t WHERE t.id = a.turn_id AND a.turn_id = $1::uuid AND a.number = $2 AND t.fence = $3 AND t.finished_at IS NULL RETURNING 1`,
    [turnId, number, fence, promptTokens],
  );
  return rows.length === 1;
}

type End = { outcome: 'COMPLETED' | 'CRASHED' | 'PROVIDER_ERROR' | 'SUPERSEDED'; providerResponseId?: string | null; keptCharacters?: number };

/** Ends an attempt, once: false where it had ended before. */
export async function endAttempt(tx: Db, turnId: string, number: number, end: End): Promise<boolean> {
  const { outcome, providerResponseId = null, keptCharacters = 0 } = end;
  const count = await tx.$executeRaw`
    UPDATE turn_attempt
    SET outcome = ${outcome}::attempt_outcome, ended_at = now(), provider_response_id = ${providerResponseId}, kept_characters = ${keptCharacters}
    WHERE turn_id = ${turnId}::uuid AND number = ${number} AND outcome = 'RUNNING'`;
  return count === 1;
}
