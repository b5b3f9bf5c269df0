import type { EventLog } from '../../../events/index.ts';
import { defer } from '../../../kernel/async.ts';
import type { Database, Transaction } from '../../../platform/db.ts';
import type { Logger } from '../../../platform/logger.ts';
import { type ClaimOnCommit, type NewlyAdmitted, releaseLease } from '../../turns/index.ts';
import { type ClaimedTurn, claimIsolated, claimNew, claimNext } from './claim.ts';
import type { IsolatedTurn } from './isolation.ts';
import type { RunningTurns } from './running-turns.ts';

type Deps = {
  database: Database;
  log: EventLog;
  logger: Logger;
  worker: string;
  leaseMs: number;
  /** Turns that may run at once here, and of one user anywhere. */
  concurrency: number;
  perUser: number;
  /** Messages that a model may be shown: they are read with a claim. */
  maxMessages: number;
  running: RunningTurns;
  /** Whether a turn is to run here with nothing beside it. */
  isExclusive: () => boolean;
  /** Has the worker look for turns once more. */
  ring: () => void;
  /** Lets the end of this process wait for some work. */
  beside: (work: Promise<unknown>) => void;
  /** Aborted when no turn is to be begun any more. */
  stopping: AbortSignal;
};

/**
 * Admissions at once that claim their turn on commit. More turns than that in one moment are a burst: those are looked
 * for one after the other, so that they begin no faster than their first words are stored, and the words of the others
 * go on.
 */
const maxClaimsOnCommit = 2;

/**
 * Claims turns while there is room for them: those that wait, those that are admitted just now, and those that must run
 * alone.
 */
export class Claims {
  private readonly deps: Deps;
  /** Claims that keep a place for their turn, until they are known. */
  private readonly reserved = new Set<Promise<unknown>>();
  /** Whether turns may wait that were there before. */
  private isBehind = true;
  private isClaiming = false;
  /** The owner whose turn was claimed last. */
  private after: string | null = null;

  constructor(deps: Deps) {
    this.deps = deps;
  }

  /** Whether one more turn may begin here now. */
  get hasRoom(): boolean {
    const { stopping, isExclusive, running, concurrency } = this.deps;
    return !stopping.aborted && !isExclusive() && running.count + this.reserved.size < concurrency;
  }

  /** Whether nothing runs here, nor is about to. */
  get isIdle(): boolean {
    const { stopping, running } = this.deps;
    return running.count + this.reserved.size === 0 && !this.isClaiming && !stopping.aborted;
  }

  /** Resolves when the claims that are under way have brought their turns, or none. */
  async settled(): Promise<void> {
    await Promise.allSettled(this.reserved);
  }

  /** Claims turns that wait, one after the other, until there are none or there is no room. */
  async claimAll(): Promise<void> {
    const { worker, leaseMs, perUser, running } = this.deps;
    this.isBehind = true;
    this.isClaiming = true;
    let isMore = true;
    try {
      while (isMore && this.hasRoom) {
        const at = performance.now();
        const claimed = await claimNext(this.deps, { worker, leaseMs, perUser, after: this.after }, running.ids);
        if (claimed) void running.begin(claimed.turn, at);
        this.after = claimed?.turn.ownerId ?? this.after;
        isMore = claimed?.isMore ?? false;
      }
    } finally {
      this.isClaiming = false;
    }
    this.isBehind = isMore;
  }

  /**
   * Keeps a place for a turn that is about to be admitted: the worker claims it with the same commit, and its first
   * word comes some round trips sooner than where the turn is looked for. Null where there is no room, or where others
   * have waited longer.
   */
  reserve(): ClaimOnCommit | null {
    if (!this.hasRoom || this.isBehind || this.reserved.size >= maxClaimsOnCommit) return null;
    const place = defer<void>();
    this.reserved.add(place.promise);
    return new Reservation(this.deps, () => {
      this.reserved.delete(place.promise);
      place.resolve();
      if (this.isBehind) this.deps.ring(); // whoever looked meanwhile found no room
    });
  }

  /**
   * Claims a turn that was reserved for a process which runs nothing else, and runs it to its end; false where it is
   * not to be had any more.
   */
  async runIsolated(turn: IsolatedTurn): Promise<boolean> {
    const { worker, leaseMs, running, ring } = this.deps;
    const at = performance.now();
    const claim = claimIsolated(this.deps, { worker, leaseMs }, turn);
    this.reserved.add(claim); // a drain waits for it
    const claimed = await claim.finally(() => this.reserved.delete(claim));
    if (!claimed) return false;
    await running.begin(claimed, at);
    ring(); // others waited meanwhile
    return true;
  }
}

/** A place for one turn, from before its admission until its commit is known. */
class Reservation implements ClaimOnCommit {
  private readonly deps: Deps;
  private readonly onRelease: () => void;
  private readonly at = performance.now();
  /** More than one where the admission was tried again. */
  private readonly offered: string[] = [];
  private complete: ((log: EventLog) => ClaimedTurn) | null = null;

  constructor(deps: Deps, onRelease: () => void) {
    this.deps = deps;
    this.onRelease = onRelease;
  }

  claim(tx: Transaction, turn: NewlyAdmitted): void {
    const { worker, leaseMs, perUser, maxMessages } = this.deps;
    this.offered.push(turn.id);
    claimNew(tx, turn, { worker, leaseMs, perUser, maxMessages }, (complete) => {
      this.complete = complete;
    });
  }

  get isClaimed(): boolean {
    return this.complete !== null;
  }

  release(): void {
    const { running, log } = this.deps;
    // What was claimed is committed, whatever came after.
    if (this.complete) void running.begin(this.complete(log), this.at);
    else for (const id of this.offered) this.releaseLost(id);
    this.onRelease();
  }

  /** A commit whose answer was lost may have claimed a turn that nobody here knows of: its lease ends at once. */
  private releaseLost(turnId: string): void {
    const { database, logger, ring, beside } = this.deps;
    const released = releaseLease(database, turnId, 1).then(ring);
    beside(
      released.catch((err: unknown) => logger.warn({ err, turnId }, 'a turn is taken up again when its lease is over')),
    );
  }
}
