import type { Tx } from '../../platform/db.ts';
import { changeSlice, type Slice } from '../../platform/slice.ts';

const messages = { change: 'DELETE FROM message', table: 'message', order: 'ordinal', type: 'bigint' } as const;

/** Deletes up to `limit` messages of a conversation, in their order, after one of them. */
export const purgeMessages = (tx: Tx, conversationId: string, after: string | null, limit: number): Promise<Slice> =>
  changeSlice(tx, messages, { conversationId, after, limit });
