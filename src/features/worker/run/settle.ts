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

/** The status of the message, by the end of the turn. A message that was superseded stays so. */
const messageStatus = { COMPLETED: 'COMPLETE', FAILED: 'FAILED', CANCELLED: 'STOPPED' } as const;
/**
 * The outcome of the last attempt, by the end of the turn. A stop is no fault of the attempt, so CANCELLED gives
 * COMPLETED. Every failure gives PROVIDER_ERROR, also one that the provider has not caused: the enum has no other value
 * for a failed attempt, and `turn.error` says what it was.
 */
const attemptOutcome = { COMPLETED: 'COMPLETED', FAILED: 'PROVIDER_ERROR', CANCELLED: 'COMPLETED' } as const;

export type Settlement = {
  subject: UsageSubject;
  fence: number;
  attempt: number;
  end: TurnEnd;
  /** Tokens and cost of the last call of the model; null where none is to be recorded. */
  account: CallAccount | null;
  /** Whether the turn has called tools; then open calls and approvals are closed. */
  hasCalls: boolean;
  /** Tokens of the whole answer, where it has more than one step; null: those of the last call of the model. */
  tokenCount: number | null;
  /** How many messages a summary is to replace; null: no summary is needed. */
  summarise: number | null;
  /** Whether conversations without a title of their user get one from a model. */
  titles: boolean;
};

export type Settled = { unblocks: boolean; asksTitle: boolean; asksSummary: boolean };

/**
 * Ends a turn in one transaction: it writes the message, the row of the ledger, the sums, the attempt, the status and
 * the only terminal event, or none of them. A worker that lost the turn gets a FencedError. Returns whether another
 * turn may be claimed now, and which side calls the turn has requested.
 */
export const settle = (log: EventLog, settlement: Settlement): Promise<Settled> =>
  log.transact(async (tx, append) => {
    const { subject, account } = settlement;
    const { turnId, conversationId, messageId } = subject;
    // `finishTurn` needs no result of the lock, so where the driver can pipeline it is sent without waiting for one.
    // Both use one connection, which runs them in order: `finishTurn` still runs when the conversation is locked.
    const [{ at, titleSource }, moved] = await Promise.all([
      lockConversationRow(tx, conversationId),
      finishTurn(tx, movement(settlement)),
    ]);
    if (!moved) throw new FencedError();
    // `end.status` is the end that the worker came to; the status of the message follows from it. `moved.status` is
    // what the database has stored, and what the terminal event reports: the same, or SUPERSEDED where a stop request
    // says that another turn replaces this one.
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
    // `last`: sent together with the commit. The fourth argument says that these are the last events of the turn: later
    // appends of its worker are refused, and its deltas may be compacted.
    append.last(
      conversationId,
      turnId,
      [...events, finishedEvent(turnId, { ...end, status: moved.status }, totals)],
      turnId,
    );
    return { unblocks: moved.unblocks, ...askBeside(tx, settlement, moved, titleSource) };
  });

/**
 * Requests the side calls that follow the turn: a title for a conversation without one, and a summary of its beginning.
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

/** Closes the open approvals and tool calls of a turn. */
async function closeOpen(tx: Tx, turnId: string, parts: readonly MessagePart[]): Promise<EventBody[]> {
  const approvals = await withdrawApprovals(tx, turnId);
  const calls = await closeCalls(tx, turnId, 'open');
  return [
    ...approvals.map((approvalId): EventBody => ({ type: 'approval-decided', approvalId })),
    ...calls.map((call) => finishedCall(call.messageId, { ...call, resultIndex: placeIn(parts, call) })),
  ];
}

/** For an answer of several steps: tokens and cost of all steps, in place of those of the last. */
const wholeOf = ({ hasCalls, tokenCount }: Settlement, totals: TotalsRecord | undefined) =>
  hasCalls && tokenCount !== null ? { tokenCount, estimatedCost: totals?.costUsd ?? null } : {};

/**
 * The index of the placeholder for a result; null where the answer no longer has it, because the part was taken back.
 */
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
