import type { Interruption } from '../../../engine/index.ts';
import type { Database } from '../../../platform/db.ts';
import type { Logger } from '../../../platform/logger.ts';
import { releaseLease, renewLeases } from '../../turns/index.ts';
import type { Settled } from '../run/settle.ts';
import type { ClaimedTurn } from './claim.ts';

type Deps = {
  database: Database;
  logger: Logger;
  leaseMs: number;
  /** Runs a turn to its end. Never rejects. */
  run: (turn: ClaimedTurn, signal: AbortSignal) => Promise<Settled>;
  /** Called when a turn has ended in this process and no longer counts. `wasFull`: all capacity was in use. */
  onEnd: (turn: ClaimedTurn, settled: Settled | null, wasFull: boolean) => void;
  /** How many turns may run at once. */
  concurrency: number;
};

/**
 * Until `provenUntil`, by the clock of this process, no other worker can have claimed the turn: the time is that of the
 * request for the lease plus its duration, and the database counts the lease from a later moment.
 */
type Run = { turn: ClaimedTurn; abort: AbortController; done: Promise<void>; provenUntil: number };

/** The turns that this process runs, and their leases. */
export class RunningTurns {
  private readonly runs = new Map<string, Run>();
  private readonly deps: Deps;

  constructor(deps: Deps) {
    this.deps = deps;
  }

  get count(): number {
    return this.runs.size;
  }

  get ids(): string[] {
    return [...this.runs.keys()];
  }

  has(turnId: string): boolean {
    return this.runs.has(turnId);
  }

  /**
   * Runs a claimed turn; `at` is a time not after its claim, by `performance.now()`. Resolves when it has ended here.
   */
  begin(turn: ClaimedTurn, at = performance.now()): Promise<void> {
    const abort = new AbortController();
    if (turn.stopRequest) interrupt(abort, { kind: 'stopped', request: turn.stopRequest });
    const done = this.runToEnd(turn, abort.signal);
    this.runs.set(turn.id, { turn, abort, done, provenUntil: at + this.deps.leaseMs });
    return done;
  }

  private async runToEnd(turn: ClaimedTurn, signal: AbortSignal): Promise<void> {
    let settled: Settled | null = null;
    try {
      settled = await this.deps.run(turn, signal);
    } finally {
      const wasFull = this.runs.size >= this.deps.concurrency;
      if (this.runs.get(turn.id)?.turn === turn) this.runs.delete(turn.id);
      this.deps.onEnd(turn, settled, wasFull);
    }
  }

  /**
   * Renews all leases in one statement; the worker does so three times in the duration of a lease. The result also has
   * the requests to stop, so a stop is found even if its signal was lost.
   */
  async renewLeases(): Promise<void> {
    const { database, leaseMs } = this.deps;
    const runs = [...this.runs.values()];
    if (runs.length === 0) return;
    const at = performance.now();
    const rows = await renewLeases(
      database,
      runs.map(({ turn: { id, fence } }) => ({ id, fence })),
      leaseMs,
    );
    const renewed = new Map(rows.map((row) => [row.id, row]));
    for (const run of runs) {
      const row = renewed.get(run.turn.id);
      if (row) run.provenUntil = at + leaseMs;
      if (this.runs.get(run.turn.id)?.turn !== run.turn) continue;
      if (!row) interrupt(run.abort, { kind: 'fenced' });
      else if (row.stopRequest) interrupt(run.abort, { kind: 'stopped', request: row.stopRequest });
    }
  }

  /**
   * Aborts the turns whose lease may be over within `marginMs`, because it could not be renewed: so the call of a model
   * ends before another worker may repeat it. While the database does not respond, this process cannot know who has the
   * turn; when it responds again, any worker may claim it. With an embedded database there is no other worker, so
   * nothing is aborted.
   */
  endUnproven(marginMs: number): void {
    const { database, logger } = this.deps;
    const now = performance.now();
    for (const { turn, abort, provenUntil } of this.runs.values()) {
      if (database.kind === 'embedded' || abort.signal.aborted || now < provenUntil - marginMs) continue;
      logger.warn({ turnId: turn.id }, 'the lease of a turn could not be renewed in time: what it does here is ended');
      // If no other worker has it yet, the call is recorded in the ledger, and the end counts as no death.
      interrupt(abort, { kind: 'drained' });
    }
  }

  /** Resolves when all turns that run now have ended. */
  async ended(): Promise<void> {
    await Promise.allSettled([...this.runs.values()].map(({ done }) => done));
  }

  /** Aborts all turns and ends their leases, so that other workers can claim them at once. Returns their number. */
  async handOver(): Promise<number> {
    const unfinished = [...this.runs.values()];
    for (const { abort } of unfinished) interrupt(abort, { kind: 'drained' });
    await this.ended();
    await Promise.allSettled(unfinished.map(({ turn }) => releaseLease(this.deps.database, turn.id, turn.fence)));
    return unfinished.length;
  }
}

function interrupt(abort: AbortController, interruption: Interruption): void {
  if (!abort.signal.aborted) abort.abort(interruption);
}
