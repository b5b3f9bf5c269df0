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
  /** The head of the log before the first event of the turn. */
  logStart: number;
  /** The epoch of that log. */
  epoch: number;
  /** Whether an earlier request with this key made the turn. */
  deduplicated: boolean;
  /** The running turn that this admission has asked to stop; its worker is notified after the commit. */
  stopping?: string | null;
};

/** Identifies a request: its idempotency key, and the hash that distinguishes it from another request with that key. */
type RequestName = { viewer: Viewer; key: string; hash: string };

/**
 * A transaction that admits a turn for this request. Where `claim` is given, it claims the turn for the worker of this
 * process together with the commit.
 */
export type AdmissionTransaction = { tx: Transaction; append: Append; name: RequestName; claim: ClaimOnCommit | null };

/** A request for a turn. */
export type AdmissionRequest<T = unknown> = {
  name: RequestName;
  /**
   * Work that takes processor time and no lock, such as counting tokens. It runs after the rate is checked, so that a
   * repeat, and a request over the rate, cost next to nothing.
   */
  prepare(): Promise<T>;
  admit(transaction: AdmissionTransaction, prepared: T): Promise<Admitted>;
};

const points = channel('colloquy.turn');

/**
 * Admits at most one turn per user and idempotency key, and makes sure that it runs. Where the worker of this process
 * gives a reservation, it claims the turn with the admitting commit. Otherwise workers are notified, and one of them
 * claims it.
 */
export async function admitOnce<T>(deps: AdmissionDeps, request: AdmissionRequest<T>): Promise<Admitted> {
  const claim = deps.worker?.reserve() ?? null;
  let admitted: Admitted;
  try {
    admitted = await admitOrRepeat(deps, request, claim);
  } finally {
    claim?.release(); // also after an error: the commit may have claimed the turn although its acknowledgement was lost
  }
  if (admitted.stopping) announceStop(deps, admitted.stopping);
  if (!admitted.deduplicated && !claim?.isClaimed) announceWaiting(deps);
  return admitted;
}

/**
 * Admits the turn, or returns the turn that an earlier request with the same key has admitted.
 *
 * The key is looked up first, so that a repeat neither counts against the rate nor writes anything. Then one
 * transaction admits the turn. The unique index on user and key lets only one of several concurrent requests commit.
 *
 * When the transaction fails, for whatever reason, the key is looked up again, because there may be a turn all the
 * same: an earlier request may have changed what this one was refused for, and a commit may have succeeded although its
 * acknowledgement was lost. In that case this request is a repeat, and its rate is refunded.
 */
async function admitOrRepeat<T>(
  deps: AdmissionDeps,
  request: AdmissionRequest<T>,
  claim: ClaimOnCommit | null,
): Promise<Admitted> {
  const { database, rates } = deps;
  const { viewer, key, hash } = request.name;
  const before = await findAdmitted(database, viewer, key);
  if (before) return repeated(before, hash);
  await rates.turn(viewer);
  try {
    return await admitIn(deps, request, await request.prepare(), claim);
  } catch (error) {
    const earlier = await findAdmitted(database, viewer, key).catch(() => null);
    if (!earlier) throw error;
    await rates.refundTurn(viewer);
    return repeated(earlier, hash);
  }
}

/** The transaction. A place for the turn was reserved before: it is claimed with the commit. */
async function admitIn<T>(
  { log }: AdmissionDeps,
  { name, admit }: AdmissionRequest<T>,
  prepared: T,
  claim: ClaimOnCommit | null,
): Promise<Admitted> {
  // Eager: the statements up to the first awaited result are sent together with BEGIN, which saves a round trip. If
  // the server refused BEGIN, each would take effect by itself. That is harmless: the first is a lock, or inserts a
  // conversation, which would stay empty, because its messages and its turn reference each other and are refused
  // alone. If the connection is lost before BEGIN is acknowledged, all is run again, and the unique index refuses a
  // second turn.
  const admitted = await log.transact((tx, append) => admit({ tx, append, name, claim }, prepared), { eager: true });
  if (points.hasSubscribers) points.publish({ turnId: admitted.turnId, point: 'admitted' satisfies TurnPoint });
  return admitted;
}

function repeated(turn: AdmittedTurn, hash: string): Admitted {
  if (turn.requestHash !== hash) throw new IdempotencyConflictError(turn.id);
  const { id: turnId, conversationId, inputMessageId: messageId, logStart, epoch } = turn;
  return { turnId, conversationId, messageId, logStart, epoch, deduplicated: true };
}
