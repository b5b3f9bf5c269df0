import type { Tx } from '../../../platform/db.ts';
import { joinMessage, messagesAs, segments } from '../../messages/index.ts';

/** What stands for the first messages on a way. */
export type Summary = {
  id: string;
  text: string;
  tokens: number;
  /** How many messages it stands for. */
  covers: number;
};

/** Older ones serve branches that leave the conversation early; more than these are not kept. */
const maxKept = 20;

/**
 * For each of these messages, `columns` of the summary `s` that stands for most of the way to it; absent where there is
 * none.
 */
const nearest = (columns: string): string =>
  `${segments}
   SELECT DISTINCT ON (leaf.id) leaf.id AS leaf, ${columns} FROM ${messagesAs('leaf')}
   JOIN context_summary s ON s.conversation_id = leaf.conversation_id ${joinMessage('m', 's.upto_message_id')}
   JOIN segment g ON g.leaf = leaf.id AND g.branch_id = m.branch_id AND m.ordinal <= g.upto
   WHERE leaf.id = ANY($1::uuid[]) AND m.id <> leaf.id ORDER BY leaf.id, s.covers DESC`;

const findSummaries = (tx: Tx, messageIds: readonly string[]): Promise<(Summary & { leaf: string })[]> =>
  tx.query(nearest('s.id, s.text, s.tokens, s.covers'), [messageIds]);

export const findSummary = async (tx: Tx, messageId: string): Promise<Summary | null> =>
  (await findSummaries(tx, [messageId]))[0] ?? null;

/** Their texts, which may be large, by the messages that they lead to: for answers. */
export const createSummaryTexts = (tx: Tx) => ({
  async lengths(messageIds: readonly string[]): Promise<{ id: string; bytes: number }[]> {
    const rows = await tx.query<{ leaf: string; bytes: number }>(nearest('octet_length(s.text) AS bytes'), [
      messageIds,
    ]);
    return rows.map(({ leaf, bytes }) => ({ id: leaf, bytes }));
  },
  values: async (messageIds: readonly string[]): Promise<Map<string, string>> =>
    new Map((await findSummaries(tx, messageIds)).map(({ leaf, text }) => [leaf, text])),
});

/** The bytes of the text of a summary, for statements of other rooms. */
export const bytesOfSummary = (id: string): string => `SELECT octet_length(text) FROM context_summary WHERE id = ${id}`;

/** Texts by their ids; one that was dropped since is absent. */
export async function readSummaries(tx: Tx, ids: readonly string[]): Promise<Map<string, string>> {
  if (ids.length === 0) return new Map();
  const rows = await tx.query<Summary>('SELECT id, text FROM context_summary WHERE id = ANY($1::uuid[])', [ids]);
  return new Map(rows.map(({ id, text }) => [id, text]));
}

type NewSummary = { conversationId: string; uptoMessageId: string; covers: number; text: string; tokens: number };

/** Stores a summary, and drops the oldest where there are too many. */
export const insertSummary = (
  tx: Tx,
  { conversationId, uptoMessageId, covers, text, tokens }: NewSummary,
): Promise<unknown> =>
  tx.query(
    `WITH old AS (
       DELETE FROM context_summary WHERE id IN (
         SELECT id FROM context_summary WHERE conversation_id = $1::uuid ORDER BY created_at DESC OFFSET $6::int)
     )
     INSERT INTO context_summary (id, conversation_id, upto_message_id, covers, text,
       tokens) VALUES (gen_random_uuid(), $1::uuid, $2::uuid, $3, $4, $5)`,
    [conversationId, uptoMessageId, covers, text, tokens, maxKept - 1],
  );
