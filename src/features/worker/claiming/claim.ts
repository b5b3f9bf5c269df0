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

/** A turn in this worker's hands. `fence` must accompany every later write. */
export type ClaimedTurn = {
  id: string;
  conversationId: string;
  ownerId: string | null;
  sessionId: string;
  inputMessageId: string | null;
  /** The answer that is being written. */
  messageId: string;
  provider: string;
  model: string;
  generation: Generation;
  systemPrompt: string;
  fence: number;
  attempt: number;
  logStart: number;
  stopRequest: StopRequest | null;
  /** Of whom it is: for tools that are called on their behalf. */
  roles: Role[];
  metadata: JsonObject;
  /** Whether its worker was lost. */
  recovering: boolean;
  /** Whether it was begun before: by a worker that was lost, or until it waited for somebody. */
  resumed: boolean;
  /** Steps and calls of tools that it had finished when it was claimed. */
  progress: number;
  /** Workers that have died at it since it came that far, and how many of those ran nothing else. */
  deaths: number;
  isolatedDeaths: number;
  /** Whether this process runs nothing else meanwhile. */
  isIsolated: boolean;
  /**
   * What its model may be shown, where that was read with the claim: given once, since it may be long, and the turn
   * too.
   */
  contextMessages?: () => Promise<ContextMessage[]> | undefined;
};

type Row = ClaimedTurn & { head: number; at: Date; isMore: boolean };

type ClaimDeps = { database: Pick<Database, 'query'>; log: Pick<EventLog, 'announce'> };

export type Claimer = {
  worker: string;
  leaseMs: number;
  /** Turns of one user that may run at once, anywhere. Claims that overlap may exceed it by one each. */
  perUser: number;
};

/**
 * Claims the next turn that nobody runs: one whose worker let its lease run out, or that goes on after it waited for
 * somebody; else the oldest of the user who runs the fewest. Null: none. Database time decides, and a row that another
 * worker is claiming is passed over; so is one whose conversation somebody is changing just now, who rings or whose
 * turn the next look finds. What this worker runs itself it does not claim from itself, however late its renewals come.
 * `isMore` says whether another look may find another. `after` is the owner whose turn was claimed last: where more
 * owners wait than one claim compares, those after that one are compared.
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

/**
 * Claims a turn that was kept for a process which runs nothing else. Null: it is locked just now, or not what it was
 * then.
 */
export async function claimIsolated(
  { database, log }: ClaimDeps,
  { worker, leaseMs }: Pick<Claimer, 'worker' | 'leaseMs'>,
  { id, fence }: { id: string; fence: number },
): Promise<ClaimedTurn | null> {
  const [row] = await database.query<Row>(claimIsolatedTurn, [worker, leaseMs, id, fence]);
  return row ? announced(row, log) : null;
}

/**
 * Takes a turn in the transaction that admits it, where no other comes before it, together with the commit; and reads
 * what its model may be shown. `onClaimed` is called after that, and not where the turn cannot be claimed. The claim is
 * announced when the turn is taken from what `onClaimed` is given: readers are told of the admission first.
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
  contextMessages?.catch(() => {}); // a turn that ends before its first call never asks for it
  tx.withCommit<Row>(claimOfNew, [worker, leaseMs, id, perUser, firstOwner], ([row]) => {
    if (row)
      onClaimed((log) => ({ ...announced(row, log), contextMessages: contextMessages && handOut(contextMessages) }));
  });
}

function announced({ at, head, isMore: _, ...turn }: Row, log: Pick<EventLog, 'announce'>): ClaimedTurn {
  log.announce(turn.conversationId, turn.id, [claimEvent(turn)], { head, at });
  return turn;
}

/** What the statement stores, for the readers of this process and the others. */
const claimEvent = ({ id, recovering, attempt }: ClaimedTurn): EventBody =>
  recovering
    ? { type: 'turn-recovering', turnId: id, attempt, reason: lostReason }
    : { type: 'turn-started', turnId: id };

/**
 * Gives a value to the first who asks, and forgets it: it may be large, and whoever holds the function may live long.
 */
function handOut<T>(value: T): () => T | undefined {
  let kept: T | undefined = value;
  return () => {
    const given = kept;
    kept = undefined;
    return given;
  };
}
