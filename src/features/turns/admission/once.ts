import { channel } from 'node:diagnostics_channel';
import type { TurnPoint } from '../../../contracts/turn.ts';
import type { Viewer } from '../../../contracts/viewer.ts';
import type { Append } from '../../../events/index.ts';
import { IdempotencyConflictError } from '../../../kernel/errors.ts';
import type { Transaction } from '../../../platform/db.ts';
import type { ClaimOnCommit } from '../ports.ts';
import { type AdmittedTurn, findAdmitted } from '../store/turn-store.ts';
import { announceStop, announceWaiting } from '../wake.ts';
import type { AdmissionDeps } from './deps.ts';

export type Admitted = {
  turnId: string;
  conversationId: string;
  messageId: string | null;
  /** Position in the log before the first event of the turn. */
  logStart: number;
  /** The epoch of that log. */
  epoch: number;
  /** Whether an earlier request with this key made the turn. */
  deduplicated: boolean;
  /** The turn that was asked to stop for this one, whose worker is yet to be told. */
  stopping?: string | null;
};

/** The name of a request: its key, and what tells it from another with the same key. */
type RequestName = { viewer: Viewer; key: string; hash: string };

/**
 * A transaction that admits a turn, for a request of this name. A worker of this process may claim the turn with the
 * commit.
 */
export type AdmissionTransaction = { tx: Transaction; append: Append; name: RequestName; claim: ClaimOnCommit | null };

/** A request for a turn. */
export type AdmissionRequest<T = unknown> = {
  name: RequestName;
  /**
   * What takes the processor's time and no lock, such as the counting of tokens. It comes behind the rate: a request
   * that is refused for that, or is a repeat, costs next to nothing.
   */
  prepare(): Promise<T>;
  admit(transaction: AdmissionTransaction, prepared: T): Promise<Admitted>;
};

const points = channel('colloquy.turn');

/**
 * Admits a turn once a key, and has it run: by a worker of this process with the same commit where it has room, else by
 * whoever looks first.
 */
export async function admitOnce<T>(deps: AdmissionDeps, request: AdmissionRequest<T>): Promise<Admitted> {
  const { admitted, isClaimed } = await admitOrRepeat(deps, request);
  if (admitted.stopping) announceStop(deps, admitted.stopping);
  if (!admitted.deduplicated && !isClaimed) announceWaiting(deps);
  return admitted;
}

/**
 * A repeat is found first: it is answered, and counts for nothing. Then one transaction that the database lets through
 * once a key. It begins with a lock, or with a new conversation, which would be the lock were the rest not: its
 * messages are refused without their turn, and that without them. Whatever it fails for, the key decides first: what
 * the earlier request did may be what this one is refused for, and a commit whose answer was lost has admitted the turn
 * all the same.
 */
async function admitOrRepeat<T>(
  deps: AdmissionDeps,
  request: AdmissionRequest<T>,
): Promise<{ admitted: Admitted; isClaimed: boolean }> {
  const { database, rates } = deps;
  const { viewer, key, hash } = request.name;
  const before = await findAdmitted(database, viewer, key);
  if (before) return { admitted: repeated(before, hash), isClaimed: false };
  await rates.turn(viewer);
  try {
    return await admitAndClaim(deps, request, await request.prepare());
  } catch (error) {
    const earlier = await findAdmitted(database, viewer, key).catch(() => null);
    if (!earlier) throw error;
    await rates.refundTurn(viewer);
    return { admitted: repeated(earlier, hash), isClaimed: false };
  }
}

async function admitAndClaim<T>({ log, worker }: AdmissionDeps, { name, admit }: AdmissionRequest<T>, prepared: T) {
  const claim = worker?.reserve() ?? null;
  try {
    const admitted = await log.transact((tx, append) => admit({ tx, append, name, claim }, prepared), { eager: true });
    if (points.hasSubscribers) points.publish({ turnId: admitted.turnId, point: 'admitted' satisfies TurnPoint });
    return { admitted, isClaimed: claim?.isClaimed ?? false };
  } finally {
    claim?.release(); // a commit whose answer was lost may have claimed the turn
  }
}

function repeated(turn: AdmittedTurn, hash: string): Admitted {
  if (turn.requestHash !== hash) throw new IdempotencyConflictError(turn.id);
  const { id: turnId, conversationId, inputMessageId: messageId, logStart, epoch } = turn;
  return { turnId, conversationId, messageId, logStart, epoch, deduplicated: true };
}
