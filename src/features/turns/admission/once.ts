import type { Viewer } from '../../../contracts/viewer.ts';
import type { Append, EventLog } from '../../../events/index.ts';
import { IdempotencyConflictError } from '../../../kernel/errors.ts';
import type { Database, Transaction } from '../../../platform/db.ts';
import type { Rates } from '../../quotas/index.ts';
import { type AdmittedTurn, type ClaimOnCommit, findAdmitted } from '../../worker/index.ts';

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

/** The name of a request: its key, and what tells it from another with the same key; and how a worker takes its turn along, if one does. */
export type Request = { viewer: Viewer; key: string; hash: string; claimOnCommit: ClaimOnCommit | null };

type Deps = { database: Pick<Database, 'query'>; log: EventLog; rates: Pick<Rates, 'turn' | 'refundTurn'> };

/**
 * A repeat is found first: it is answered, and counts for nothing. Then one transaction that the database lets through once a key. It begins with a lock, or with a new conversation, which would be there and empty
 * were the rest not: its messages are refused without their turn, and that without them. Whatever it fails for, the key decides first: what the
 * earlier request did may be what this one is refused for, and a commit whose answer was lost has admitted the turn all the same.
 * `prepare` is what takes the processor's time and no lock, such as the counting of tokens. It comes behind the rate: a request that is refused
 * for that, or is a repeat, costs next to nothing.
 */
export const createOnce =
  ({ database, log, rates }: Deps) =>
  async <T>(
    { viewer, key, hash }: Request,
    prepare: () => Promise<T>,
    admit: (tx: Transaction, append: Append, prepared: T) => Promise<Admitted>,
  ): Promise<Admitted> => {
    const before = await findAdmitted(database, viewer, key);
    if (before) return repeated(before, hash);
    await rates.turn(viewer);
    try {
      const prepared = await prepare();
      return await log.transact((tx, append) => admit(tx, append, prepared), { eager: true });
    } catch (error) {
      const earlier = await findAdmitted(database, viewer, key).catch(() => null);
      if (!earlier) throw error;
      await rates.refundTurn(viewer);
      return repeated(earlier, hash);
    }
  };

/** Of a request that has nothing to prepare. */
export const nothingToPrepare = async (): Promise<void> => {};

export type Once = ReturnType<typeof createOnce>;

function repeated(turn: AdmittedTurn, hash: string): Admitted {
  if (turn.requestHash !== hash) throw new IdempotencyConflictError(turn.id);
  const { id: turnId, conversationId, inputMessageId: messageId, logStart, epoch } = turn;
  return { turnId, conversationId, messageId, logStart, epoch, deduplicated: true };
}
