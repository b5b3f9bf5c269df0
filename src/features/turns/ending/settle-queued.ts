import type { FinishReason } from '../../../contracts/message.ts';
import type { EventBody, TotalsRecord, TurnFinishedBody } from '../../../contracts/turn-event.ts';
import { type Append, FencedError } from '../../../events/index.ts';
import type { AppError } from '../../../kernel/errors.ts';
import { groupBy } from '../../../kernel/group.ts';
import type { Tx } from '../../../platform/db.ts';
import { type EndedAnswer, endAnswers } from '../../messages/index.ts';
import { noTotals, sumByTurn } from '../../usage/index.ts';
import { toRecord } from '../errors.ts';
import { endQueued } from '../store/turn-store.ts';

/** A transaction that holds a conversation. */
type InConversation = { tx: Tx; append: Append; conversationId: string };

/** How a turn ends that no worker has begun. */
type Unbegun = { status: 'CANCELLED' | 'SUPERSEDED' | 'COMPLETED'; finishReason: FinishReason };

const stopped: Unbegun = { status: 'CANCELLED', finishReason: 'USER_STOPPED' };

/**
 * Ends turns that no worker has begun, in the order given, inside the transaction that decided so and holds their
 * conversation. There is nothing to compact and no writer to close: nothing was said yet.
 */
export async function settleQueued(
  { tx, append, conversationId }: InConversation,
  turnIds: readonly string[],
  end = stopped,
): Promise<void> {
  if (turnIds.length === 0) return;
  if ((await endQueued(tx, conversationId, turnIds, end)) !== turnIds.length) throw new FencedError();
  const answers = groupBy(await endAnswers(tx, turnIds, end.finishReason), ({ turnId }) => turnId);
  const totals = await sumByTurn(tx, turnIds);
  const queueEvents = turnIds.flatMap((turnId): [string, EventBody][] => [
    ...(answers.get(turnId) ?? []).map((answer): [string, EventBody] => [turnId, completed(answer, end.finishReason)]),
    [turnId, finishedEvent(turnId, { ...end, error: null }, totals.get(turnId))],
  ]);
  await append(
    conversationId,
    queueEvents.map(([turnId]) => turnId),
    queueEvents.map(([, body]) => body),
  );
}

const completed = ({ id, contentLength, contentSha256 }: EndedAnswer, finishReason: FinishReason): EventBody => ({
  ...{ type: 'message-completed', messageId: id, finishReason, contentLength, contentSha256 },
});

type Ending = { status: TurnFinishedBody['status']; finishReason: FinishReason; error: AppError | null };

/** The terminal event of a turn. */
export const finishedEvent = (
  turnId: string,
  { status, finishReason, error }: Ending,
  totals: TotalsRecord = noTotals,
): EventBody => ({
  type: 'turn-finished',
  turnId,
  status,
  finishReason,
  totals,
  error: error && toRecord(error),
});
