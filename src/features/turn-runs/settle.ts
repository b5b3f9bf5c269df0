import type { EventBody, TotalsRecord } from '../../contracts/turn-event.ts';
import { statesBefore, type TurnEnd } from '../../engine/index.ts';
import { type Append, type EventLog, FencedError } from '../../events/index.ts';
import type { Prisma } from '../../generated/prisma/client.ts';
import type { Db } from '../../platform/db.ts';
import { completeMessage, holdConversation } from '../conversations/index.ts';
import { type CallAccount, noTotals, sumByTurn } from '../usage/index.ts';
import { endAttempt, firstTokenOf } from './attempt-store.ts';
import { type Booking, book } from './book.ts';
import { toRecord } from './errors.ts';
import { cancelTurns, finishTurn, unblockNext } from './turn-store.ts';

const messageStatus = { COMPLETED: 'COMPLETE', FAILED: 'FAILED', CANCELLED: 'STOPPED' } as const;
const attemptOutcome = { COMPLETED: 'COMPLETED', FAILED: 'PROVIDER_ERROR', CANCELLED: 'COMPLETED' } as const;

export type Settlement = {
  booking: Booking;
  fence: number;
  attempt: number;
  end: TurnEnd;
  /** The account of the last call; null where none was made. */
  account: CallAccount | null;
};

/**
 * Ends a turn in one transaction: the message, the ledger row, the sums, the attempt, the status and the one terminal event, or nothing
 * of it. A worker that lost the turn is refused.
 */
export const settle = (log: EventLog, settlement: Settlement): Promise<void> =>
  log.transact(async (tx, append) => {
    const { booking, fence, attempt, end, account } = settlement;
    const { turnId, conversationId, messageId } = booking;
    const { call, status, finishReason } = end;
    const finishedAt = await holdConversation(tx, conversationId);
    const firstTokenAt = call?.firstTokenMs == null ? null : await firstTokenOf(tx, turnId, call.attempt, call.firstTokenMs);
    const moved = await finishTurn(tx, turnId, statesBefore(status), fence, { status, finishReason, finishedAt, firstTokenAt, ...errorColumn(end) });
    if (!moved) throw new FencedError();
    const text = await completeMessage(tx, messageId, {
      status: messageStatus[status],
      finishReason,
      parts: end.parts,
      tokenCount: account?.outputTokens ?? 0,
      estimatedCost: account?.costUsd ?? null,
      requestId: call?.requestId ?? null,
      responseTimeMs: call?.durationMs ?? null,
      timeToFirstTokenMs: call?.firstTokenMs ?? null,
      updatedAt: finishedAt,
    });
    await endAttempt(tx, turnId, attempt, { outcome: attemptOutcome[status], providerResponseId: call?.responseId ?? null });
    const events: EventBody[] = [{ type: 'message-completed', messageId, finishReason, ...text }];
    if (call && account) events.push(await book(tx, finishedAt, booking, call, account));
    await finish(tx, append, booking, end, events);
  });

/**
 * Ends turns that no worker has begun, in the order given, inside the transaction that decided so and holds their conversation. There is
 * nothing to compact and no writer to close: nothing was said yet.
 */
export async function settleQueued(tx: Db, append: Append, conversationId: string, turnIds: readonly string[]): Promise<void> {
  if (turnIds.length === 0) return;
  const end = { status: 'CANCELLED', finishReason: 'USER_STOPPED', error: null } as const;
  if ((await cancelTurns(tx, turnIds)) !== turnIds.length) throw new FencedError();
  await unblockNext(tx, conversationId);
  const totals = await sumByTurn(tx, turnIds);
  await append(
    conversationId,
    turnIds,
    turnIds.map((turnId) => finished(turnId, end, totals)),
  );
}

type Ending = Pick<TurnEnd, 'status' | 'finishReason' | 'error'>;

async function finish(tx: Db, append: Append, { turnId, conversationId }: Booking, end: Ending, before: EventBody[]): Promise<void> {
  await unblockNext(tx, conversationId);
  const totals = await sumByTurn(tx, [turnId]);
  await tx.compaction.create({ data: { turnId } });
  await closeWriter(tx, turnId, conversationId);
  await append(conversationId, turnId, [...before, finished(turnId, end, totals)]);
}

const finished = (turnId: string, { status, finishReason, error }: Ending, totals: Map<string, TotalsRecord>): EventBody => ({
  type: 'turn-finished',
  turnId,
  status,
  finishReason,
  totals: totals.get(turnId) ?? noTotals,
  error: error && toRecord(error),
});

/** Nothing is appended after the terminal event, however late a write of the worker comes. */
const closeWriter = (tx: Db, turnId: string, conversationId: string): Promise<number> =>
  tx.$executeRaw`UPDATE conversation_log SET writer_turn_id = NULL, writer_fence = NULL
    WHERE conversation_id = ${conversationId}::uuid AND writer_turn_id = ${turnId}::uuid`;

const errorColumn = ({ error }: TurnEnd): { error?: Prisma.InputJsonObject } => (error ? { error: toRecord(error) } : {});
