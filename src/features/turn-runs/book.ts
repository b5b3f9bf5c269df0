import type { EventBody } from '../../contracts/turn-event.ts';
import type { Db } from '../../platform/db.ts';
import { addTokens } from '../accounts/index.ts';
import { addUsage } from '../conversations/index.ts';
import { type CallAccount, insertUsage } from '../usage/index.ts';

/** The turn a call is booked on. */
export type Booking = {
  turnId: string;
  conversationId: string;
  ownerId: string | null;
  sessionId: string;
  messageId: string;
  provider: string;
  model: string;
};

/** What the ledger keeps of a call besides its tokens. */
export type BookedCall = { attempt: number; requestId: string | null; durationMs: number | null };

/** Writes the one ledger row of a call and raises the sums that hang on it, at the time of the transaction. Returns the event that tells readers. */
export async function book(tx: Db, at: Date, booking: Booking, call: BookedCall, { source, ...account }: CallAccount): Promise<EventBody> {
  const { turnId, conversationId, messageId, ownerId, sessionId, provider, model } = booking;
  const { attempt, requestId, durationMs } = call;
  const ids = { turnId, conversationId, messageId, userId: ownerId, sessionId };
  const { id } = await insertUsage(tx, at, {
    ...ids,
    attempt,
    kind: 'CHAT',
    source,
    provider,
    model,
    ...account,
    requestId,
    responseTimeMs: durationMs,
  });
  const sums = await addUsage(tx, conversationId, account.totalTokens, account.costUsd);
  if (ownerId) await addTokens(tx, ownerId, account.totalTokens);
  return { type: 'usage-recorded', usageId: id, conversationTokens: String(sums.totalTokens), conversationCost: sums.totalCost };
}
