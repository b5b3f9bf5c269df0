import type { MessagePart } from '../../../contracts/message.ts';
import type { Tx } from '../../../platform/db.ts';

/** Turns that wait and are meant for one that runs, in their order, with what was asked in them. Under the lock of the conversation. */
export const listSteering = (tx: Tx, conversationId: string, turnId: string): Promise<{ id: string; messageId: string; parts: MessagePart[] }[]> =>
  tx.query(
    `SELECT t.id, m.id AS "messageId", m.parts FROM turn t JOIN message m ON m.id = t.input_message_id
     WHERE t.conversation_id = $1::uuid AND t.finished_at IS NULL AND t.status = 'QUEUED' AND t.steers_id = $2::uuid ORDER BY t.ordinal`,
    [conversationId, turnId],
  );

/** What turns were told while they ran, and where in their answers. */
export const listSteered = (tx: Tx, turnIds: readonly string[]): Promise<{ turnId: string; messageId: string; at: number; parts: MessagePart[] }[]> =>
  tx.query(
    `SELECT t.steers_id AS "turnId", m.id AS "messageId", t.steered_at AS at, m.parts FROM turn t JOIN message m ON m.id = t.input_message_id
     WHERE t.steers_id = ANY($1::uuid[]) AND t.steered_at IS NOT NULL ORDER BY t.ordinal`,
    [turnIds],
  );

export const markSteered = (tx: Tx, ids: readonly string[], at: number): Promise<unknown> =>
  tx.query('UPDATE turn SET steered_at = $2 WHERE id = ANY($1::uuid[])', [ids, at]);
