import type { MessagePart } from '../../../contracts/message.ts';
import { type Steering, toUserText } from '../../../engine/index.ts';
import type { Tx } from '../../../platform/db.ts';
import { joinMessage } from '../../messages/index.ts';

/** Turns that wait and are meant for one that runs, in their order. Under the lock of the conversation. */
export const listSteering = (
  tx: Tx,
  conversationId: string,
  turnId: string,
): Promise<{ id: string; messageId: string }[]> =>
  tx.query(
    `SELECT t.id, t.input_message_id AS "messageId" FROM turn t
     WHERE t.conversation_id = $1::uuid AND t.input_message_id IS NOT NULL AND t.finished_at IS NULL
       AND t.status = 'QUEUED' AND t.steers_id = $2::uuid ORDER BY t.ordinal`,
    [conversationId, turnId],
  );

/** What turns were told while they ran, and where in their answers. */
export async function listSteered(
  tx: Tx,
  turnIds: readonly string[],
): Promise<(Steering & { turnId: string; messageId: string })[]> {
  const rows = await tx.query<{ turnId: string; messageId: string; at: number; parts: MessagePart[] }>(
    `SELECT t.steers_id AS "turnId", m.id AS "messageId", t.steered_at AS at, m.parts
      FROM turn t ${joinMessage('m', 't.input_message_id')}
     WHERE t.steers_id = ANY($1::uuid[]) AND t.steered_at IS NOT NULL ORDER BY t.ordinal`,
    [turnIds],
  );
  return rows.map(({ parts, ...row }) => ({ ...row, text: toUserText(parts) }));
}

export const markSteered = (tx: Tx, ids: readonly string[], at: number): Promise<unknown> =>
  tx.query('UPDATE turn SET steered_at = $2 WHERE id = ANY($1::uuid[])', [ids, at]);
