import type { Transaction } from '../../platform/db.ts';

/** A turn as the transaction that admits it knows it. */
export type NewlyAdmitted = { id: string; inputMessageId: string | null };

/**
 * A place for one turn in the worker of this process: the turn is claimed with the commit that admits it. The worker
 * implements it.
 */
export type ClaimOnCommit = {
  /**
   * Claims the turn in the transaction that admits it. Called again, with another turn, where that transaction is tried
   * again.
   */
  claim(tx: Transaction, turn: NewlyAdmitted): void;
  /** Whether a turn was claimed, as far as is known: the answer of the commit says so. */
  readonly isClaimed: boolean;
  /** Gives the place back after the transaction, whatever came of it. A turn that was claimed begins. */
  release(): void;
};

/** The worker of this process, as admissions use it. */
export type LocalWorker = {
  /** Whether a turn that is admitted now can begin here at once. */
  readonly hasRoom: boolean;
  /** Has it look for turns now. */
  nudge(): void;
  /** Keeps a place for a turn that is about to be admitted; null where the worker is to look for it later. */
  reserve(): ClaimOnCommit | null;
};
