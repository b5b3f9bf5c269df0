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
  /** How many turns may run at once: in this process, and of one user over all processes. */
  concurrency: number;
  perUser: number;
  /** How many messages a model may be shown; as many are read with a claim on commit. */
  maxMessages: number;
  running: RunningTurns;
  /** Whether a turn runs alone in this process, or is about to: no other may begin. */
  isExclusive: () => boolean;
  /** Makes the worker look for turns again. */
  ring: () => void;
  /** Makes a drain of this process wait for some work. */
  beside: (work: Promise<unknown>) => void;
  /** Aborted when no more turns are to be begun. */
  stopping: AbortSignal;
};

/**
 * How many concurrent admissions may claim their turn on commit. More are a burst, whose other turns are claimed from
 * the queue, one after another. If all of them began at once, their reads and first writes would delay the words of the
 * turns that run already (decision 25 has the measurement).
 */
const maxClaimsOnCommit = 2;

/** Claims turns while this worker has capacity: queued ones, those being admitted, and those that must run alone. */
export class Claims {
  private readonly deps: Deps;
  /** Reservations and isolated claims whose outcome is not known yet; each occupies capacity for one turn. */
  private readonly reserved = new Set<Promise<unknown>>();
  /**
   * Whether older turns may wait in the queue. It becomes false only when a look has left none there, so it is true at
   * first and during each look. While it is true, a new turn is not claimed on commit, because it would overtake them.
   */
  private isBehind = true;
  private isClaiming = false;
  /**
   * The owner of the turn that was claimed last. It is kept between looks, so that the next comparison of owners starts
   * after it, and no owner is passed over for longer than one round.
   */
  private after: string | null = null;

  constructor(deps: Deps) {
    this.deps = deps;
  }

  /** Whether one more turn may begin in this process now. */
  get hasRoom(): boolean {
    const { stopping, isExclusive, running, concurrency } = this.deps;
    return !stopping.aborted && !isExclusive() && running.count + this.reserved.size < concurrency;
  }

  /** Whether no turn runs in this process and none is being claimed, and the worker is not stopping. */
  get isIdle(): boolean {
    const { stopping, running } = this.deps;
    return running.count + this.reserved.size === 0 && !this.isClaiming && !stopping.aborted;
  }

  /** Resolves when the outcome of all reservations and isolated claims under way is known. */
  async settled(): Promise<void> {
    await Promise.allSettled(this.reserved);
  }

  /** Claims turns one after another, until none is due or the capacity is used up. */
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
   * Reserves capacity for a turn that is about to be admitted, so that the same commit can claim it: its first word
   * then comes some round trips sooner than through the queue. Null in three cases: there is no capacity; older turns
   * may wait in the queue; or as many admissions hold a reservation already as may (`maxClaimsOnCommit`).
   */
  reserve(): ClaimOnCommit | null {
    if (!this.hasRoom || this.isBehind || this.reserved.size >= maxClaimsOnCommit) return null;
    const place = defer<void>();
    this.reserved.add(place.promise);
    return new Reservation(this.deps, () => {
      this.reserved.delete(place.promise);
      place.resolve();
      if (this.isBehind) this.deps.ring(); // a look in the meantime may have found no capacity
    });
  }

  /** Claims a turn that was reserved to run alone, and runs it to its end; false where it could not be claimed. */
  async runIsolated(turn: IsolatedTurn): Promise<boolean> {
    const { worker, leaseMs, running, ring } = this.deps;
    const at = performance.now();
    const claim = claimIsolated(this.deps, { worker, leaseMs }, turn);
    this.reserved.add(claim); // counts as capacity in use, and a drain waits for it
    const claimed = await claim.finally(() => this.reserved.delete(claim));
    if (!claimed) return false;
    await running.begin(claimed, at);
    ring(); // turns that came meanwhile were not claimed here
    return true;
  }
}

/** Capacity for one turn, from before its admission until the outcome of its commit is known. */
class Reservation implements ClaimOnCommit {
  private readonly deps: Deps;
  private readonly onRelease: () => void;
  private readonly at = performance.now();
  /** The turns that the admission tried to claim: more than one where its transaction was run again. */
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
    // `complete` is set only after the commit, so the claim is stored, even if the admission failed afterwards.
    try {
      if (this.complete) void running.begin(this.complete(log), this.at);
      else for (const id of this.offered) this.releaseLost(id);
    } finally {
      this.onRelease();
    }
  }

  /**
   * Ends the lease of a turn that this process does not run, although the commit may have claimed it: its
   * acknowledgement was lost. Any worker can then claim it at once. The fence of a new turn is 0 and each claim adds 1,
   * so the 1 below names exactly that first claim, and does nothing to a claim that came later.
   */
  private releaseLost(turnId: string): void {
    const { database, logger, ring, beside } = this.deps;
    const released = releaseLease(database, turnId, 1).then(ring);
    beside(
      released.catch((err: unknown) => logger.warn({ err, turnId }, 'a turn is taken up again when its lease is over')),
    );
  }
}
