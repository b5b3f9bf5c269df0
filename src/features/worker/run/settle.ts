import type { MessagePart } from '../../../contracts/message.ts';
import type { EventBody, TotalsRecord } from '../../../contracts/turn-event.ts';
import { statesBefore, type TurnEnd } from '../../../engine/index.ts';
import { type EventLog, FencedError } from '../../../events/index.ts';
import type { Transaction, Tx } from '../../../platform/db.ts';
import { lockConversationRow } from '../../conversations/index.ts';
import { completeMessage } from '../../messages/index.ts';
import { requestSide } from '../../side-calls/index.ts';
import { type ClosedCall, closeCalls, withdrawApprovals } from '../../tools/index.ts';
import { finishedEvent, toRecord } from '../../turns/index.ts';
import { type CallAccount, sumByTurn } from '../../usage/index.ts';
import { finishedCall } from '../tools/call-events.ts';
import { type Finished, finishTurn } from './finish-turn.ts';
import { recordUsage, type UsageSubject } from './record-usage.ts';

const messageStatus = { COMPLETED: 'COMPLETE', FAILED: 'FAILED', CANCELLED: 'STOPPED' } as const;
const attemptOutcome = { COMPLETED: 'COMPLETED', FAILED: 'PROVIDER_ERROR', CANCELLED: 'COMPLETED' } as const;

export type Settlement = {
  subject: UsageSubject;
  fence: number;
  attempt: number;
  end: TurnEnd;
  /** The account of the last call; null where none was made. */
  account: CallAccount | null;
  /** Whether it has called tools: what is open of that is closed. */
  hasCalls: boolean;
  /** Tokens of the whole answer, where that is more than the last call of the model wrote. */
  tokenCount: number | null;
  /** How many messages a summary is to stand for; null: there need be none. */
  summarise: number | null;
  /** Whether conversations that nobody named get a title. */
  titles: boolean;
};

export type Settled = { unblocks: boolean; asksTitle: boolean; asksSummary: boolean };

/**
 * Ends a turn in one transaction: the message, the ledger row, the sums, the attempt, the status and the one terminal
 * event, or nothing of it. A worker that lost the turn is refused. Says whether another turn waited for this one, and
 * whether a title is to be made.
 */
export const settle = (log: EventLog, settlement: Settlement): Promise<Settled> =>
  log.transact(async (tx, append) => {
    const { subject, account } = settlement;
    const { turnId, conversationId, messageId } = subject;
    // What does not need the answer of what is before it does not wait for it.
    const [{ at, titleSource }, moved] = await Promise.all([
      lockConversationRow(tx, conversationId),
      finishTurn(tx, movement(settlement)),
    ]);
    if (!moved) throw new FencedError();
    const end = { ...settlement.end, finishReason: moved.finishReason };
    const closed = settlement.hasCalls ? await closeOpen(tx, turnId, end.parts) : [];
    const booked = end.call && account ? await recordUsage(tx, at, { subject, call: end.call, account }) : null;
    const totals = booked ? booked.totals : (await sumByTurn(tx, [turnId])).get(turnId);
    const text = completeMessage(tx, messageId, {
      ...completion(end, account),
      ...wholeOf(settlement, totals),
    });
    const events: EventBody[] = [
      ...closed,
      { type: 'message-completed', messageId, finishReason: end.finishReason, ...text },
    ];
    if (booked) events.push(booked.event);
    events.push(...moved.unread.map((id): EventBody => ({ type: 'turn-steered', messageId: id, consumed: false })));
    append.last(
      conversationId,
      turnId,
      [...events, finishedEvent(turnId, { ...end, status: moved.status }, totals)],
      turnId,
    );
    return { unblocks: moved.unblocks, ...askBeside(tx, settlement, moved, titleSource) };
  });

/**
 * What a model is asked for beside, now that the turn has ended: a name for a conversation that has none, and what
 * stands for its beginning.
 */
function askBeside(
  tx: Transaction,
  { subject, titles, summarise }: Settlement,
  { status }: Pick<Finished, 'status'>,
  titleSource: string | null,
) {
  const asksTitle = titles && status === 'COMPLETED' && titleSource === 'FALLBACK';
  const asksSummary = summarise !== null;
  if (asksTitle) requestSide(tx, 'TITLE', subject.conversationId);
  if (asksSummary) requestSide(tx, 'SUMMARY', subject.conversationId, { upto: summarise });
  return { asksTitle, asksSummary };
}

/** Nothing that a turn has asked for is left open behind it. */
async function closeOpen(tx: Tx, turnId: string, parts: readonly MessagePart[]): Promise<EventBody[]> {
  const approvals = await withdrawApprovals(tx, turnId);
  const calls = await closeCalls(tx, turnId, 'open');
  return [
    ...approvals.map((approvalId): EventBody => ({ type: 'approval-decided', approvalId })),
    ...calls.map((call) => finishedCall(call.messageId, { ...call, resultIndex: placeIn(parts, call) })),
  ];
}

/** Of an answer in several steps: what all of it holds and cost, not the last step alone. */
const wholeOf = ({ hasCalls, tokenCount }: Settlement, totals: TotalsRecord | undefined) =>
  hasCalls && tokenCount !== null ? { tokenCount, estimatedCost: totals?.costUsd ?? null } : {};

/** The place of a result, where the answer still has it: what was taken back must not come again. */
function placeIn(parts: readonly MessagePart[], { number, resultIndex }: ClosedCall): number | null {
  const part = parts[resultIndex ?? -1];
  return part?.type === 'tool-result' && part.call === number ? resultIndex : null;
}

const movement = ({ subject, fence, attempt, end: { status, finishReason, error, call } }: Settlement) => ({
  id: subject.turnId,
  conversationId: subject.conversationId,
  fence,
  from: statesBefore(status),
  status,
  finishReason,
  error: error && toRecord(error),
  attempt: {
    number: attempt,
    outcome: attemptOutcome[status],
    called: call !== null,
    providerResponseId: call?.responseId ?? null,
  },
  firstToken: call?.firstTokenMs == null ? null : { attempt: call.attempt, ms: call.firstTokenMs },
});

const completion = ({ status, finishReason, parts, call }: TurnEnd, account: CallAccount | null) => ({
  status: messageStatus[status],
  finishReason,
  parts,
  tokenCount: account?.outputTokens ?? 0,
  estimatedCost: account?.costUsd ?? null,
  requestId: call?.requestId ?? null,
  responseTimeMs: call?.durationMs ?? null,
  timeToFirstTokenMs: call?.firstTokenMs ?? null,
});
