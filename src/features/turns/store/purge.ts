import type { Tx } from '../../../platform/db.ts';
import { changeSlice, type Slice } from '../../../platform/slice.ts';

const turns = { change: 'DELETE FROM turn', table: 'turn', order: 'ordinal', type: 'bigint' } as const;

/** Deletes up to `limit` turns of a conversation, in their order, after one of them. */
export const purgeTurns = (tx: Tx, conversationId: string, after: string | null, limit: number): Promise<Slice> =>
  changeSlice(tx, turns, { conversationId, after, limit });
