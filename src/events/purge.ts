import type { Tx } from '../platform/db.ts';
import { changeSlice, type Slice } from '../platform/slice.ts';

const events = { change: 'DELETE FROM event', table: 'event', order: 'seq', type: 'bigint' } as const;

/**
 * Removes the oldest events of a log for good. Its head goes first: a reader that came late finds no log rather than
 * one with a hole.
 */
export async function purgeEvents(tx: Tx, conversationId: string, after: string | null, limit: number): Promise<Slice> {
  if (after === null) await tx.query('DELETE FROM conversation_log WHERE conversation_id = $1::uuid', [conversationId]);
  return changeSlice(tx, events, { conversationId, after, limit });
}
