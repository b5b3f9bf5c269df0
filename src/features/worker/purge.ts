import { purgeEvents } from '../../events/index.ts';
import type { Database, Tx } from '../../platform/db.ts';
import type { Slice } from '../../platform/slice.ts';
import { findPurgeable, lockForPurge, purgeConversation } from '../conversations/index.ts';
import { purgeMessages } from '../messages/index.ts';
import { dropRequests } from '../side-calls/index.ts';
import { purgeTurns, unfinishedOf } from '../turns/index.ts';
import { unlinkUsage } from '../usage/index.ts';

type Step = {
  limit: number;
  change: (tx: Tx, conversationId: string, after: string | null, limit: number) => Promise<Slice>;
};

/**
 * What hangs on what goes last, so that no cascade removes more than a few rows. The limits keep each statement to some
 * tens of milliseconds on the embedded database too, which does nothing else meanwhile: a message or a turn is looked
 * for in many tables, an event in none.
 */
const steps: Step[] = [
  { limit: 5_000, change: purgeEvents },
  { limit: 500, change: unlinkUsage },
  { limit: 250, change: purgeMessages },
  { limit: 250, change: purgeTurns },
];

/**
 * Removes deleted conversations for good, the one deleted first before the others, in slices of bounded size. Between
 * two slices others have the connection, and an abort ends it: what is left is found by the next sweep.
 */
export async function purgeDeleted(database: Database, conversations: number, signal: AbortSignal): Promise<void> {
  for (const { id } of await findPurgeable(database, conversations, unfinishedOf)) {
    if (signal.aborted) return;
    await purge(database, id, signal);
  }
}

async function purge(database: Database, id: string, signal: AbortSignal): Promise<void> {
  if (!(await inTurn(database, id, (tx) => dropRequests(tx, id)))) return; // a call beside its turns is accounted first
  for (const { limit, change } of steps) {
    for (let after: string | null = null, full = true; full; ) {
      const slice = await inTurn(database, id, (tx) => change(tx, id, after, limit));
      if (!slice || signal.aborted) return;
      after = slice.last;
      full = slice.rows === limit;
    }
  }
  await inTurn(database, id, (tx) => purgeConversation(tx, id));
}

/** One step in a transaction of its own; null where another worker is at this conversation. */
const inTurn = <T>(database: Database, id: string, work: (tx: Tx) => Promise<T>): Promise<T | null> =>
  database.transact(async (tx) => ((await lockForPurge(tx, id)) ? work(tx) : null));
