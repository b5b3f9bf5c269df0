import type { Generation } from '../../../contracts/model-provider.ts';
import type { StopRequest } from '../../../contracts/turn.ts';
import type { EventBody } from '../../../contracts/turn-event.ts';
import type { Role } from '../../../contracts/viewer.ts';
import type { EventLog } from '../../../events/index.ts';
import type { JsonObject } from '../../../kernel/json.ts';
import type { Database, Transaction } from '../../../platform/db.ts';
import { type ContextMessage, listForContext } from '../../messages/index.ts';
import { firstOwner, type NewlyAdmitted } from '../../turns/index.ts';
import { claimAny, claimIsolatedTurn, claimOfNew, lostReason } from './claim.sql.ts';

/** A turn that this worker has claimed. Every later write must state `fence`, and is refused once it is outdated. */
export type ClaimedTurn = {
  id: string;
  conversationId: string;
  ownerId: string | null;
  sessionId: string;
  inputMessageId: string | null;
  /** The message that the worker writes: the answer. */
  messageId: string;
  provider: string;
  model: string;
  generation: Generation;
  systemPrompt: string;
  fence: number;
  attempt: number;
  logStart: number;
  stopRequest: StopRequest | null;
  /** The roles of the owner; tools run with them. */
  roles: Role[];
  metadata: JsonObject;
  /** Whether the turn was taken over from a worker whose lease ran out. */
  recovering: boolean;
  /** Whether the turn was begun before: its worker was lost, or it has waited for a person or a client. */
  resumed: boolean;
  /** How many steps and tool calls the turn had finished when it was claimed. */
  progress: number;
  /** How many workers have died at the turn with this progress, and at how many of these deaths nothing else ran. */
  deaths: number;
  isolatedDeaths: number;
  /** Whether this process runs no other turn meanwhile. */
  isIsolated: boolean;
  /**
   * The messages for the context, where they were read together with the claim. Only the first call returns them: they
   * may be large, and are not to stay in memory as long as the turn.
   */
  contextMessages?: () => Promise<ContextMessage[]> | undefined;
};

type Row = ClaimedTurn & { head: number; at: Date; isMore: boolean };

type ClaimDeps = { database: Pick<Database, 'query'>; log: Pick<EventLog, 'announce'> };

export type Claimer = {
  worker: string;
  leaseMs: number;
  /** How many turns of one user may run at once, over all workers. Concurrent claims may exceed it by one each. */
  perUser: number;
};

/**
 * Claims the next turn that no worker runs: one whose lease ran out, or which continues after it waited for a person or
 * a client; else the oldest queued turn of the user who runs the fewest. Null: there is none.
 *
 * Leases are compared with the clock of the database. Turns whose rows are locked are passed over, because another
 * worker is claiming them or a transaction is changing their conversation; after such a change workers are notified, or
 * the next poll finds the turn. `running` are the turns of this worker: it never takes a turn over from itself, however
 * late its renewals are. `isMore`: another claim may find another turn. `after` is the owner of the turn that was
 * claimed last: where more owners wait than one claim compares, the comparison starts after that owner.
 */
export async function claimNext(
  { database, log }: ClaimDeps,
  { worker, leaseMs, perUser, after = null }: Claimer & { after?: string | null },
  running: readonly string[] = [],
): Promise<{ turn: ClaimedTurn; isMore: boolean } | null> {
  const [row] = await database.query<Row>(claimAny, [worker, leaseMs, running, perUser, after ?? firstOwner]);
  if (!row) return null;
  return { turn: announced(row, log), isMore: row.isMore };
}

/** Claims a turn that was reserved to run alone. Null: its rows are locked now, or it was claimed or ended since. */
export async function claimIsolated(
  { database, log }: ClaimDeps,
  { worker, leaseMs }: Pick<Claimer, 'worker' | 'leaseMs'>,
  { id, fence }: { id: string; fence: number },
): Promise<ClaimedTurn | null> {
  const [row] = await database.query<Row>(claimIsolatedTurn, [worker, leaseMs, id, fence]);
  return row ? announced(row, log) : null;
}

/**
 * Claims a turn in the transaction that admits it, if no other turn is to be claimed first, and reads the messages for
 * its context. Both statements are sent together with the commit. `onClaimed` is called after the commit, and only if
 * the turn was claimed. It gets a function that publishes the event of the claim and returns the turn. The caller calls
 * it after the events of the admission were published, so that readers get these first.
 */
export function claimNew(
  tx: Transaction,
  { id, inputMessageId }: NewlyAdmitted,
  { worker, leaseMs, perUser, maxMessages }: Claimer & { maxMessages: number },
  onClaimed: (complete: (log: Pick<EventLog, 'announce'>) => ClaimedTurn) => void,
): void {
  const later = {
    query: <R>(text: string, params: readonly unknown[] = []) =>
      new Promise<R[]>((resolve) => tx.withCommit(text, params, resolve)),
  };
  const contextMessages = inputMessageId ? listForContext(later, inputMessageId, maxMessages) : undefined;
  contextMessages?.catch(() => {}); // a turn that ends before its first call of the model never awaits it
  tx.withCommit<Row>(claimOfNew, [worker, leaseMs, id, perUser, firstOwner], ([row]) => {
    if (row)
      onClaimed((log) => ({ ...announced(row, log), contextMessages: contextMessages && handOut(contextMessages) }));
  });
}

function announced({ at, head, isMore: _, ...turn }: Row, log: Pick<EventLog, 'announce'>): ClaimedTurn {
  log.announce(turn.conversationId, turn.id, [claimEvent(turn)], { head, at });
  return turn;
}

/** The event that the statement has stored; it is published to the readers of this process and of others. */
const claimEvent = ({ id, recovering, attempt }: ClaimedTurn): EventBody =>
  recovering
    ? { type: 'turn-recovering', turnId: id, attempt, reason: lostReason }
    : { type: 'turn-started', turnId: id };

/** Returns a value on the first call, and then releases it: it may be large, and the function may be kept for long. */
function handOut<T>(value: T): () => T | undefined {
  let kept: T | undefined = value;
  return () => {
    const given = kept;
    kept = undefined;
    return given;
  };
}
