import type { EventBody, TotalsRecord } from '../../../contracts/turn-event.ts';
import type { Transaction } from '../../../platform/db.ts';
import { type CallAccount, insertUsage, usageEvent } from '../../usage/index.ts';

/** The turn whose usage a call is. */
export type UsageSubject = {
  turnId: string;
  conversationId: string;
  ownerId: string | null;
  sessionId: string;
  messageId: string;
  provider: string;
  model: string;
};

/** What the ledger keeps of a call besides its tokens. */
type CallFacts = { attempt: number; requestId: string | null; durationMs: number | null };

/** A call of a model for a turn, and what it used. */
type Usage = { subject: UsageSubject; call: CallFacts; account: CallAccount };

/**
 * Writes the one ledger row of a call and raises the sums that hang on it, at the time of the transaction. Returns the
 * event that tells readers.
 */
export async function recordUsage(
  tx: Transaction,
  at: Date,
  { subject, call, account }: Usage,
): Promise<{ event: EventBody; totals: TotalsRecord }> {
  const { ownerId: userId, ...on } = subject;
  const { attempt, requestId, durationMs: responseTimeMs } = call;
  const inserted = await insertUsage(tx, at, {
    userId,
    attempt,
    kind: 'CHAT',
    requestId,
    responseTimeMs,
    ...on,
    ...account,
  });
  return { event: usageEvent(inserted), totals: inserted.turnTotals };
}
