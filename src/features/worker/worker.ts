import type { Interruption } from '../../engine/index.ts';
import { type Bus, createCompactor, type EventLog, findUncompacted } from '../../events/index.ts';
import { createBell, pause } from '../../kernel/async.ts';
import { type ClaimedTurn, type ClaimOnCommit, claimIsolated, claimNew, claimNext } from './claim.ts';
import { createIsolation, type IsolatedTurn, type LaunchIsolated, reserveIsolated } from './claiming/isolation.ts';
import { purgeDeleted } from './purge.ts';
import { runTurnJob, type TurnJobDeps } from './turn-job.ts';
import { releaseLease, renewLeases, unblockStrays } from './turn-store.ts';

export type WorkerDeps = Omit<TurnJobDeps, 'compactor'> & {
  bus: Bus;
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

/**
 * Admissions at once that take their turn along. More turns than that in one moment are a burst: those are looked for one after the other, so that
 * they begin no faster than their first words are stored, and the words of the others go on.
 */
const maxClaimsOnCommit = 2;

/** Until `provenUntil` nobody else can have the turn, by the clock of this process: it counts from before its lease was asked for. */
type Run = { turn: ClaimedTurn; abort: AbortController; done: Promise<void>; provenUntil: number };

/**
 * Claims turns while it has room, runs them, and keeps their leases. A nudge makes it look at once; without one it looks every
 * `pollMs`, so that a lost hint or a dead worker delays a turn and nothing more.
 */
export function createWorker(deps: WorkerDeps) {
  const { bus, log, logger, database, pace, worker, leaseMs, concurrency, perUser } = deps;
  const onFault = (err: unknown) => logger.warn({ err }, 'the log of a turn was not compacted yet');
  const lookMs = leaseMs / 16;
  const compactor = createCompactor({ database, pace, onFault });
  const jobDeps = { ...deps, compactor };
  const running = new Map<string, Run>();
  const bell = createBell();
  const stopping = new AbortController();
  let loops: Promise<unknown> = Promise.resolve();

  /** What turns do not wait for, and the end of this process does. */
  const asides = new Set<Promise<unknown>>();
  function beside(work: Promise<unknown>): void {
    asides.add(work);
    void work.finally(() => asides.delete(work));
  }

  function begin(turn: ClaimedTurn, at = performance.now()): void {
    const abort = new AbortController();
    if (turn.stopRequest) interrupt(abort, { kind: 'stopped', request: turn.stopRequest });
    let mayFindMore = true;
    const done = runTurnJob(turn, jobDeps, abort.signal)
      .then(({ unblocks, asksTitle, asksSummary }) => {
        mayFindMore = unblocks || running.size >= concurrency;
        if (asksTitle) beside(deps.titles.run(turn.conversationId, stopping.signal));
        if (asksSummary) beside(deps.summaries.run(turn.conversationId, stopping.signal));
      })
      .finally(() => {
        if (running.get(turn.id)?.turn === turn) running.delete(turn.id);
        if (mayFindMore) bell.ring();
      });
    running.set(turn.id, { turn, abort, done, provenUntil: at + leaseMs });
  }

  const hasRoom = () => !stopping.signal.aborted && !isolation.isExclusive && running.size + admissions.size < concurrency;

  /** Admissions that keep a place for their turn. */
  const admissions = new Set<Promise<unknown>>();
  /** Whether turns may wait that were there before. */
  let isBehind = true;

  /**
   * Admits a turn. Where there is room for it and none waits, this worker takes it with the same commit: its first word comes some round trips
   * sooner than where the turn is looked for. Says whether it has.
   */
  async function admitAndClaim<T>(admit: (claimOnCommit: ClaimOnCommit | null) => Promise<T>): Promise<{ admitted: T; claimedLocally: boolean }> {
    if (!hasRoom() || isBehind || admissions.size >= maxClaimsOnCommit) return { admitted: await admit(null), claimedLocally: false };
    let found = null as ((log: EventLog) => ClaimedTurn) | null;
    const at = performance.now();
    const offered: string[] = []; // more than one where the admission was tried again
    const claimer = { worker, leaseMs, perUser, maxMessages: deps.limits.maxMessages };
    const admission = admit((tx, turn) => {
      offered.push(turn.id);
      claimNew(tx, turn, claimer, (complete) => {
        found = complete;
      });
    });
    admissions.add(admission);
    try {
      return { admitted: await admission, claimedLocally: found !== null };
    } finally {
      admissions.delete(admission);
      // What was found is committed, whatever came after.
      if (found) begin(found(log), at);
      else for (const id of offered) leave(id);
      if (isBehind) bell.ring(); // whoever looked meanwhile found no room
    }
  }

  /** A commit whose answer was lost may have taken a turn that nobody here knows of: its lease ends at once. */
  function leave(turnId: string): void {
    const released = releaseLease(database, turnId, 1).then(() => bell.ring());
    beside(released.catch((err: unknown) => logger.warn({ err, turnId }, 'a turn is taken up again when its lease is over')));
  }

  let claiming: Promise<unknown> = Promise.resolve();
  let isClaiming = false;
  /** The owner whose turn was claimed last. */
  let after: string | null = null;

  async function claimAll(): Promise<void> {
    isBehind = true;
    isClaiming = true;
    let isMore = true;
    try {
      while (isMore && hasRoom()) {
        const at = performance.now();
        const claimed = await claimNext(deps, { worker, leaseMs, perUser, after }, [...running.keys()]);
        if (claimed) begin(claimed.turn, at);
        after = claimed?.turn.ownerId ?? after;
        isMore = claimed?.isMore ?? false;
      }
    } finally {
      isClaiming = false;
    }
    isBehind = isMore;
  }

  const isolation = createIsolation({
    ...{ database, logger, launch: deps.launchIsolated },
    running: () => [...running.keys()],
    isIdle: () => running.size + admissions.size === 0 && !isClaiming && !stopping.signal.aborted,
    run: runIsolated,
  });

  /** Claims a turn that was reserved for a process which runs nothing else, and runs it to its end; false where it is not to be had any more. */
  async function runIsolated(turn: IsolatedTurn): Promise<boolean> {
    const at = performance.now();
    const claim = claimIsolated(deps, { worker, leaseMs }, turn);
    admissions.add(claim); // a drain waits for it
    const claimed = await claim.finally(() => admissions.delete(claim));
    if (!claimed) return false;
    begin(claimed, at);
    await running.get(claimed.id)?.done;
    bell.ring(); // others waited meanwhile
    return true;
  }

  /** Leases are renewed together, three times in their life; the answer brings requests to stop. */
  async function renewAll(): Promise<void> {
    const turns = [...running.values()];
    if (turns.length === 0) return;
    const at = performance.now();
    const rows = await renewLeases(
      database,
      turns.map(({ turn: { id, fence } }) => ({ id, fence })),
      leaseMs,
    );
    const answers = new Map(rows.map((row) => [row.id, row]));
    for (const run of turns.filter(({ turn }) => answers.has(turn.id))) run.provenUntil = at + leaseMs;
    for (const { turn, abort } of turns) {
      const answer = answers.get(turn.id);
      if (running.get(turn.id)?.turn !== turn) continue;
      if (!answer) interrupt(abort, { kind: 'fenced' });
      else if (answer.stopRequest) interrupt(abort, { kind: 'stopped', request: answer.stopRequest });
    }
  }

  /**
   * A call of a model ends before another worker may make it again. While the database is silent nobody hears who has the turn: when it answers
   * again, the lease is over, and whoever is first claims the turn. An embedded database has no other worker.
   */
  async function endUnproven(): Promise<void> {
    const now = performance.now();
    for (const { turn, abort, provenUntil } of running.values()) {
      if (database.kind === 'embedded' || abort.signal.aborted || now < provenUntil - lookMs) continue;
      logger.warn({ turnId: turn.id }, 'the lease of a turn could not be renewed in time: what it does here is ended');
      interrupt(abort, { kind: 'drained' }); // where nobody has it yet its call is booked, and nobody counts a death
    }
  }

  async function sweep(): Promise<void> {
    for (const { turnId } of await findUncompacted(database, 100)) compactor.add(turnId);
    await unblockStrays(database, 100);
    await deps.sweeps();
    await deps.titles.sweep(2, stopping.signal);
    await deps.summaries.sweep(2, stopping.signal);
    await purgeDeleted(database, 10, stopping.signal);
  }

  async function repeat(every: (signal: AbortSignal) => Promise<unknown>, work: () => Promise<void>, until: AbortSignal): Promise<void> {
    while (!until.aborted) {
      await work().catch((err: unknown) => logger.warn({ err }, 'worker: will try again'));
      await every(until);
    }
  }

  const stopped = new AbortController();
  let unlisten = () => {};

  function listen(): void {
    unlisten = bus.onSignal((signal) => {
      if (signal.kind === 'turn-waiting') bell.ring();
      else if (signal.kind === 'turn-stop' && running.has(signal.turnId))
        renewAll().catch((err: unknown) => logger.warn({ err }, 'worker: stop was not read; the next renewal reads it'));
    });
  }
  const renewing = () =>
    Promise.all([
      repeat((signal) => pause(leaseMs / 3, signal), renewAll, stopped.signal),
      repeat((signal) => pause(lookMs, signal), endUnproven, stopped.signal),
    ]);

  return {
    id: worker,
    start(): void {
      listen();
      claiming = repeat((signal) => bell.rung(signal, deps.pollMs), claimAll, stopping.signal);
      loops = Promise.all([
        claiming,
        renewing(),
        repeat((signal) => pause(leaseMs / 3, signal), isolation.look, stopping.signal),
        repeat((signal) => pause(deps.sweepMs, signal), sweep, stopping.signal),
      ]);
    },
    /**
     * In place of `start`: runs this turn, which was reserved for it, and then whatever else must run alone, one after the other. Resolves when there
     * is none any more.
     */
    async runIsolated(first: IsolatedTurn): Promise<void> {
      listen();
      loops = renewing();
      for (let turn: IsolatedTurn | undefined = first; turn && !stopping.signal.aborted; [turn] = await reserveIsolated(database, 1)) {
        // Its rows may be locked just now. What was taken up by somebody else is not to be had at all.
        for (let tries = 0; tries < 20 && !(await runIsolated(turn)); tries++) await pause(leaseMs / 40, stopping.signal);
      }
    },
    /** Whether a turn that is admitted now can begin here at once. */
    get hasRoom(): boolean {
      return hasRoom();
    },
    admitAndClaim,
    get running(): number {
      return running.size;
    },
    nudge: (): void => bell.ring(),
    /** Takes no more turns, lets the running ones finish for `graceMs`, and hands the rest to other workers. */
    async drain(graceMs: number): Promise<void> {
      stopping.abort();
      unlisten();
      const isolated = isolation.drain();
      const patience = new AbortController();
      const grace = pause(graceMs, patience.signal);
      await Promise.race([Promise.allSettled([claiming, ...admissions]), grace]); // a claim that is under way still brings a turn
      const all = () => Promise.allSettled([...running.values()].map(({ done }) => done));
      await Promise.race([all(), grace]);
      patience.abort();
      const unfinished = [...running.values()];
      for (const { abort } of unfinished) interrupt(abort, { kind: 'drained' });
      await all();
      await Promise.allSettled(unfinished.map(({ turn }) => releaseLease(database, turn.id, turn.fence)));
      stopped.abort();
      await loops;
      await Promise.allSettled([...asides, compactor.finish(), isolated]);
      if (unfinished.length > 0) bus.signal({ kind: 'turn-waiting' });
    },
  };
}

export type Worker = ReturnType<typeof createWorker>;

function interrupt(abort: AbortController, interruption: Interruption): void {
  if (!abort.signal.aborted) abort.abort(interruption);
}
