import { v7 as uuidv7 } from 'uuid';
import type { EventBody, TotalsRecord } from '../../contracts/turn-event.ts';
import { groupBy } from '../../kernel/group.ts';
import type { Database, Db, Transaction, Tx } from '../../platform/db.ts';
import { changeSlice, type Slice } from '../../platform/slice.ts';
import { addTokens } from '../accounts/index.ts';
import { addTotals } from '../conversations/index.ts';
import type { CallAccount } from './account.ts';

/** One call of a provider, and the user, conversation, message and turn that it counts for. */
export type LedgerEntry = CallAccount & {
  userId: string | null;
  conversationId: string;
  messageId: string | null;
  /** Null where the call was made beside any turn. */
  turnId: string | null;
  attempt: number | null;
  sessionId: string;
  kind: 'CHAT' | 'TITLE' | 'SUMMARY';
  provider: string;
  model: string;
  requestId: string | null;
  responseTimeMs: number | null;
};

export type InsertedUsage = {
  id: string;
  /** The sums of the conversation with this call. */
  conversationTokens: string;
  conversationCost: string;
  /** Those of its turn; of this call alone where there is none. */
  turnTotals: TotalsRecord;
};

/**
 * Adds a row to the ledger, and the call to the sums of its conversation and its user: those last, since a user may
 * have many turns that end at once. A second row for the same call is refused by the database. The id is made from the
 * time of the transaction by the database's clock, since ids are what lists of the ledger are ordered by.
 */
export async function insertUsage(tx: Transaction, at: Date, entry: LedgerEntry): Promise<InsertedUsage> {
  const id = uuidv7({ msecs: at.getTime() });
  const [row] = await tx.query<{ tokens: string; cost: string } & TotalsRecord>(insertEntry, [
    id,
    ...entryColumns.map((column) => entry[column]),
  ]);
  if (entry.userId !== null) addTokens(tx, entry.userId, entry.totalTokens);
  const { tokens, cost, ...turnTotals } = row!;
  return { id, conversationTokens: tokens, conversationCost: cost, turnTotals };
}

/** What readers of the conversation are told of a row. */
export const usageEvent = ({ id: usageId, conversationTokens, conversationCost }: InsertedUsage): EventBody => ({
  type: 'usage-recorded',
  usageId,
  conversationTokens,
  conversationCost,
});

const sums = `coalesce(sum(input_tokens), 0)::bigint AS "inputTokens", coalesce(sum(output_tokens),
  0)::bigint AS "outputTokens",
  coalesce(sum(total_tokens), 0)::bigint AS "totalTokens", coalesce(sum(cost_usd), 0)::numeric(18,
    6)::text AS "costUsd",
  count(*) AS requests, count(*) FILTER (WHERE cost_usd IS NULL) AS "unpricedRequests"`;

/** What `insertEntry` takes after the id, in the order of its parameters. */
const entryColumns = [
  ...['userId', 'conversationId', 'messageId', 'turnId', 'attempt', 'sessionId', 'kind', 'source'],
  ...['provider', 'model', 'requestId', 'responseTimeMs'],
  ...['inputTokens', 'cachedInputTokens', 'cacheWriteTokens', 'outputTokens', 'reasoningTokens', 'totalTokens'],
  'costUsd',
] as const satisfies readonly (keyof LedgerEntry)[];

const ofCall = {
  conversation: '$3::uuid',
  tokens: '$19::int',
  cost: '$20::numeric',
  isChat: "$8::usage_kind = 'CHAT'",
};

/**
 * The parts of one statement see the table as it was before: the sums of the turn are of what was there and of what is
 * added.
 */
const insertEntry = `
WITH booked AS (
  INSERT INTO usage (id, user_id, conversation_id, message_id, turn_id, attempt, session_id, kind, source,
    provider, model, request_id,
    response_time_ms, input_tokens, cached_input_tokens, cache_write_tokens, output_tokens,
      reasoning_tokens, total_tokens, cost_usd)
  VALUES ($1, $2::uuid, $3::uuid, $4, $5::uuid, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18,
    $19::int, $20::numeric)
  RETURNING input_tokens, output_tokens, total_tokens, cost_usd
), talk AS (

    ${addTotals(ofCall)}
), of_turn AS (
  SELECT ${sums} FROM (
    SELECT input_tokens, output_tokens, total_tokens, cost_usd FROM usage WHERE turn_id = $5::uuid UNION ALL
      SELECT * FROM booked) AS rows
)
SELECT * FROM talk, of_turn`;

const ofConversation = {
  change: 'UPDATE usage SET conversation_id = NULL, message_id = NULL, turn_id = NULL',
  table: 'usage',
  order: 'id',
  type: 'uuid',
} as const;

/** Keeps the oldest rows of a conversation that is purged, without what they pointed to. */
export const unlinkUsage = (tx: Tx, conversationId: string, after: string | null, limit: number): Promise<Slice> =>
  changeSlice(tx, ofConversation, { conversationId, after, limit });

export const noTotals: TotalsRecord = {
  inputTokens: 0,
  outputTokens: 0,
  totalTokens: 0,
  costUsd: '0.000000',
  requests: 0,
  unpricedRequests: 0,
};

/** The sums of the ledger for each of these turns, in one statement; a turn without rows has zeros. */
export const sumByTurn = (tx: Tx, turnIds: readonly string[]): Promise<Map<string, TotalsRecord>> =>
  sumBy(tx, 'turn_id', turnIds);

/** The same for the whole ledgers of conversations. */
export const sumByConversation = (tx: Tx, conversationIds: readonly string[]): Promise<Map<string, TotalsRecord>> =>
  sumBy(tx, 'conversation_id', conversationIds);

async function sumBy(
  tx: Tx,
  column: 'turn_id' | 'conversation_id',
  ids: readonly string[],
): Promise<Map<string, TotalsRecord>> {
  const rows = await tx.query<TotalsRecord & { key: string }>(
    `SELECT ${column} AS key, ${sums} FROM usage WHERE ${column} = ANY($1::uuid[]) GROUP BY ${column}`,
    [ids],
  );
  return new Map(rows.map(({ key, ...totals }) => [key, totals]));
}

/** For answers: read in one statement with whatever others are asked for at that moment. */
export const readUsage = (db: Db, id: string) => db.usage.findUniqueOrThrow({ where: { id } });

/** Rows of the ledger, in any order. */
export const findUsage = (db: Db, ids: readonly string[]) => db.usage.findMany({ where: { id: { in: [...ids] } } });

/** The rows of each of these turns, in order. */
export async function findUsageOfTurns(db: Db, turnIds: readonly string[]) {
  const rows = await db.usage.findMany({ where: { turnId: { in: [...turnIds] } }, orderBy: { id: 'asc' } });
  return groupBy(rows, ({ turnId }) => turnId!);
}

/** The labels of calls, which may be large, for answers. */
export const createUsageMetadata = ({ prisma, query }: Pick<Database, 'prisma' | 'query'>) => ({
  lengths: (ids: readonly string[]) =>
    query<{ id: string; bytes: number }>(
      'SELECT id, octet_length(metadata::text) AS bytes FROM usage WHERE id = ANY($1::uuid[])',
      [ids],
    ),
  async values(ids: readonly string[]): Promise<Map<string, unknown>> {
    const rows = await prisma.usage.findMany({ where: { id: { in: [...ids] } }, select: { id: true, metadata: true } });
    return new Map(rows.map(({ id, metadata }) => [id, metadata]));
  },
});
