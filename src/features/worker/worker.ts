import { type Bus, type Compactor, createCompactor, findUncompacted } from '../../events/index.ts';
import { type Bell, pause } from '../../kernel/async.ts';
import { type ClaimOnCommit, type LocalWorker, unblockStrays } from '../turns/index.ts';
import type { ClaimedTurn } from './claiming/claim.ts';
import { Claims } from './claiming/claims.ts';
import { createIsolation, type IsolatedTurn, type LaunchIsolated, reserveIsolated } from './claiming/isolation.ts';
import { RunningTurns } from './claiming/running-turns.ts';
import { purgeDeleted } from './purge.ts';
import type { Settled } from './run/settle.ts';
import { runTurnJob } from './run/turn-job.ts';
import type { TurnJobDeps } from './run/turn-run.ts';

export type WorkerDeps = Omit<TurnJobDeps, 'compactor'> & {
  bus: Bus;
  /** Rung where turns may wait: by this worker, by admissions of this process, and by decisions. */
  bell: Bell;
  leaseMs: number;
  concurrency: number;
  /** Turns of one user that may run at once, anywhere. */
  perUser: number;
  /** Starts a process for one turn; null where none can be. */
  launchIsolated: LaunchIsolated | null;
  pollMs: number;
  sweepMs: number;
  /** What else is to be looked after now and then. */
  sweeps: () => Promise<unknown>;
};

export type Worker = LocalWorker & {
  id: string;
  /** How many turns run here. */
  readonly running: number;
  start(): void;
  /**
   * In place of `start`: runs this turn, which was reserved for it, and then whatever else must run alone, one after
   * the other. Resolves when there is none any more.
   */
  runIsolated(first: IsolatedTurn): Promise<void>;
  /** Takes no more turns, lets the running ones finish for `graceMs`, and hands the rest to other workers. */
  drain(graceMs: number): Promise<void>;
};

/**
 * Claims turns while it has room, runs them, and keeps their leases. A nudge makes it look at once; without one it
 * looks every `pollMs`, so that a lost hint or a dead worker delays a turn and nothing more.
 */
export const createWorker = (deps: WorkerDeps): Worker => new TurnWorker(deps);

/** Of a turn that ended in a fault: others may wait for it. */
const nothingSettled: Settled = { unblocks: true, asksTitle: false, asksSummary: false };

class TurnWorker implements Worker {
  private readonly deps: WorkerDeps;
  private readonly turns: RunningTurns;
  private readonly claims: Claims;
  private readonly isolation: ReturnType<typeof createIsolation>;
  private readonly compactor: Compactor;
  /** Aborted when no turn is begun any more, and when those that ran have ended. */
  private readonly stopping = new AbortController();
  private readonly stopped = new AbortController();
  /** What turns do not wait for, and the end of this process does. */
  private readonly asides = new Set<Promise<unknown>>();
  private claiming: Promise<unknown> = Promise.resolve();
  private loops: Promise<unknown> = Promise.resolve();
  private unlisten = () => {};

  constructor(deps: WorkerDeps) {
    const { database, pace, logger } = deps;
    this.deps = deps;
    this.compactor = createCompactor({
      database,
      pace,
      onFault: (err) => logger.warn({ err }, 'the log of a turn was not compacted yet'),
    });
    const jobDeps: TurnJobDeps = { ...deps, compactor: this.compactor };
    this.turns = new RunningTurns({
      ...deps,
      run: (turn, signal) => runTurnJob(turn, jobDeps, signal),
      onEnd: (turn, settled, wasFull) => this.goOn(turn, settled, wasFull),
    });
    this.claims = new Claims({
      ...deps,
      maxMessages: deps.limits.maxMessages,
      running: this.turns,
      isExclusive: () => this.isolation.isExclusive,
      ring: deps.bell.ring,
      beside: (work) => this.beside(work),
      stopping: this.stopping.signal,
    });
    this.isolation = createIsolation({
      ...{ database, logger, launch: deps.launchIsolated },
      running: () => this.turns.ids,
      isIdle: () => this.claims.isIdle,
      run: (turn) => this.claims.runIsolated(turn),
    });
  }

  get id(): string {
    return this.deps.worker;
  }

  get running(): number {
    return this.turns.count;
  }

  get hasRoom(): boolean {
    return this.claims.hasRoom;
  }

  nudge(): void {
    this.deps.bell.ring();
  }

  reserve(): ClaimOnCommit | null {
    return this.claims.reserve();
  }

  start(): void {
    const { bell, pollMs, leaseMs, sweepMs } = this.deps;
    this.listen();
    const { signal } = this.stopping;
    this.claiming = this.repeat(
      (until) => bell.rung(until, pollMs),
      () => this.claims.claimAll(),
      signal,
    );
    this.loops = Promise.all([
      this.claiming,
      this.keepLeases(),
      this.repeat(
        (until) => pause(leaseMs / 3, until),
        () => this.isolation.look(),
        signal,
      ),
      this.repeat(
        (until) => pause(sweepMs, until),
        () => this.sweep(),
        signal,
      ),
    ]);
  }

  async runIsolated(first: IsolatedTurn): Promise<void> {
    const { database, leaseMs } = this.deps;
    const { signal } = this.stopping;
    this.listen();
    this.loops = this.keepLeases();
    for (
      let turn: IsolatedTurn | undefined = first;
      turn && !signal.aborted;
      [turn] = await reserveIsolated(database, 1)
    ) {
      // Its rows may be locked just now. What was taken up by somebody else is not to be had at all.
      for (let tries = 0; tries < 20 && !(await this.claims.runIsolated(turn)); tries++)
        await pause(leaseMs / 40, signal);
    }
  }

  async drain(graceMs: number): Promise<void> {
    this.stopping.abort();
    this.unlisten();
    const isolated = this.isolation.drain();
    const patience = new AbortController();
    const grace = pause(graceMs, patience.signal);
    // A claim that is under way still brings a turn.
    await Promise.race([Promise.allSettled([this.claiming, this.claims.settled()]), grace]);
    await Promise.race([this.turns.ended(), grace]);
    patience.abort();
    const unfinished = await this.turns.handOver();
    this.stopped.abort();
    await this.loops;
    await Promise.allSettled([...this.asides, this.compactor.finish(), isolated]);
    if (unfinished > 0) this.deps.bus.signal({ kind: 'turn-waiting' });
  }

  /** What follows a turn that has ended here: the calls beside it that it asked for, and another look. */
  private goOn({ conversationId }: ClaimedTurn, settled: Settled | null, wasFull: boolean): void {
    const { titles, summaries, bell } = this.deps;
    const { unblocks, asksTitle, asksSummary } = settled ?? nothingSettled;
    if (asksTitle) this.beside(titles.run(conversationId, this.stopping.signal));
    if (asksSummary) this.beside(summaries.run(conversationId, this.stopping.signal));
    if (unblocks || wasFull) bell.ring();
  }

  private beside(work: Promise<unknown>): void {
    this.asides.add(work);
    void work.finally(() => this.asides.delete(work));
  }

  private listen(): void {
    const { bus, bell, logger } = this.deps;
    this.unlisten = bus.onSignal((signal) => {
      if (signal.kind === 'turn-waiting') bell.ring();
      else if (signal.kind === 'turn-stop' && this.turns.has(signal.turnId))
        this.turns
          .renewLeases()
          .catch((err: unknown) => logger.warn({ err }, 'worker: stop was not read; the next renewal reads it'));
    });
  }

  private keepLeases(): Promise<unknown> {
    const { leaseMs } = this.deps;
    const lookMs = leaseMs / 16;
    const { signal } = this.stopped;
    return Promise.all([
      this.repeat(
        (until) => pause(leaseMs / 3, until),
        () => this.turns.renewLeases(),
        signal,
      ),
      this.repeat(
        (until) => pause(lookMs, until),
        async () => this.turns.endUnproven(lookMs),
        signal,
      ),
    ]);
  }

  private async sweep(): Promise<void> {
    const { database, sweeps, titles, summaries } = this.deps;
    const { signal } = this.stopping;
    for (const { turnId } of await findUncompacted(database, 100)) this.compactor.add(turnId);
    await unblockStrays(database, 100);
    await sweeps();
    await titles.sweep(2, signal);
    await summaries.sweep(2, signal);
    await purgeDeleted(database, 10, signal);
  }

  private async repeat(
    every: (signal: AbortSignal) => Promise<unknown>,
    work: () => Promise<void>,
    until: AbortSignal,
  ): Promise<void> {
    while (!until.aborted) {
      await work().catch((err: unknown) => this.deps.logger.warn({ err }, 'worker: will try again'));
      await every(until);
    }
  }
}
