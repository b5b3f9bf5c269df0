import type { EventBody } from '../../../contracts/turn-event.ts';
import type { Steering } from '../../../engine/index.ts';
import type { Append } from '../../../events/index.ts';
import type { Tx } from '../../../platform/db.ts';
import { passOver, supersedeAnswers } from '../../messages/index.ts';
import { listSteered, listSteering, markSteered, settleQueued } from '../../turns/index.ts';

type SteeringPosition = { conversationId: string; turnId: string; at: number };

/**
 * Takes what waits for this very turn into it: the messages stay, their own turns end before they have begun, and what
 * would have answered them is not part of the conversation.
 */
export async function takeSteering(
  tx: Tx,
  append: Append,
  { conversationId, turnId, at }: SteeringPosition,
): Promise<Steering[]> {
  const waiting = await listSteering(tx, conversationId, turnId);
  if (waiting.length === 0) return listSteered(tx, [turnId]);
  for (const { id, messageId } of waiting) {
    const events: EventBody[] = [];
    for (const answerId of await supersedeAnswers(tx, conversationId, id)) {
      events.push({ type: 'message-updated', messageId: answerId, changed: ['status'] });
      if (await passOver(tx, conversationId, answerId, messageId))
        events.push({ type: 'branch-selected', leafId: messageId });
    }
    await append(conversationId, id, events);
  }
  const ids = waiting.map(({ id }) => id);
  await settleQueued({ tx, append, conversationId }, ids, { status: 'SUPERSEDED', finishReason: 'SUPERSEDED' });
  await markSteered(tx, ids, at);
  await append(
    conversationId,
    turnId,
    waiting.map(({ messageId }): EventBody => ({ type: 'turn-steered', messageId, consumed: true })),
  );
  // All of it, also what a try before this one has taken unheard.
  return listSteered(tx, [turnId]);
}
