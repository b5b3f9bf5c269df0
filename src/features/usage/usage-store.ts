import { v7 as uuidv7 } from 'uuid';
import type { TotalsRecord } from '../../contracts/turn-event.ts';
import { Prisma } from '../../generated/prisma/client.ts';
import type { Db } from '../../platform/db.ts';
import { changeSlice, type Slice } from '../../platform/slice.ts';

/**
 * Adds a row to the ledger. A second row for the same call is refused by the database. Its id is made from the time of the transaction by
 * the database's clock, since ids are what lists of the ledger are ordered by.
 */
export const insertUsage = (tx: Db, at: Date, data: Omit<Prisma.UsageUncheckedCreateInput, 'id'>): Promise<{ id: string }> =>
  tx.usage.create({ data: { ...data, id: uuidv7({ msecs: at.getTime() }) }, select: { id: true } });

const ofConversation = {
  change: 'UPDATE usage SET conversation_id = NULL, message_id = NULL, turn_id = NULL',
  table: 'usage',
  order: 'id',
  type: 'uuid',
} as const;

/** Keeps the oldest rows of a conversation that is purged, without what they pointed to. */
export const unlinkUsage = (tx: Db, conversationId: string, after: string | null, limit: number): Promise<Slice> =>
  changeSlice(tx, ofConversation, conversationId, after, limit);

type SumRow = { key: string; inputTokens: bigint; outputTokens: bigint; totalTokens: bigint; costUsd: string; requests: bigint; unpriced: bigint };

export const noTotals: TotalsRecord = { inputTokens: 0, outputTokens: 0, totalTokens: 0, costUsd: '0.000000', requests: 0, unpricedRequests: 0 };

/** The sums of the ledger for each of these turns, in one statement; a turn without rows has zeros. */
export const sumByTurn = (db: Db, turnIds: readonly string[]): Promise<Map<string, TotalsRecord>> => sumBy(db, Prisma.sql`turn_id`, turnIds);

/** The same for the whole ledgers of conversations. */
export const sumByConversation = (db: Db, conversationIds: readonly string[]): Promise<Map<string, TotalsRecord>> =>
  sumBy(db, Prisma.sql`conversation_id`, conversationIds);

async function sumBy(db: Db, column: Prisma.Sql, ids: readonly string[]): Promise<Map<string, TotalsRecord>> {
  const rows = await db.$queryRaw<SumRow[]>`
    SELECT ${column} AS key, sum(input_tokens) AS "inputTokens", sum(output_tokens) AS "outputTokens", sum(total_tokens) AS "totalTokens",
           coalesce(sum(cost_usd), 0)::numeric(18, 6)::text AS "costUsd", count(*) AS requests, count(*) FILTER (WHERE cost_usd IS NULL) AS unpriced
    FROM usage WHERE ${column} = ANY(${ids}::uuid[]) GROUP BY ${column}`;
  return new Map(rows.map((row) => [row.key, totalsOf(row)]));
}

const totalsOf = ({ inputTokens, outputTokens, totalTokens, costUsd, requests, unpriced }: SumRow): TotalsRecord => ({
  inputTokens: Number(inputTokens),
  outputTokens: Number(outputTokens),
  totalTokens: Number(totalTokens),
  costUsd,
  requests: Number(requests),
  unpricedRequests: Number(unpriced),
});
