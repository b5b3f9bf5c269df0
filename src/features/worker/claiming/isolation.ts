import type { Database } from '../../../platform/db.ts';
import type { Logger } from '../../../platform/logger.ts';
import { extendLeases, turnsAs } from '../../turns/index.ts';
import { deathsOf, maxDeaths } from './deaths.sql.ts';

/** A turn that must run alone, with its fence when it was reserved: a claim in the meantime changes the fence. */
export type IsolatedTurn = { id: string; fence: number };
/** A process that runs one turn. `stop` asks it to hand the turn over; `ended` says how it ended, and never rejects. */
export type IsolatedProcess = { pid: number | undefined; ended: Promise<string>; stop(): void };
export type LaunchIsolated = (turn: IsolatedTurn) => IsolatedProcess;

/**
 * How many processes for one turn each a worker starts at once. Each takes about 200 MB of memory, and all turns of a
 * worker that died twice may have to run alone.
 */
const maxProcesses = 2;
/**
 * For how long a turn is reserved, so that its process can start. If the process does not start, or dies before it
 * claims the turn, the turn is delayed by this time.
 */
const startMs = 15_000;

/**
 * Reserves turns that must run alone. $1 how many at most, $2 for how many ms, $3 ids of the turns that this worker
 * runs. Their leases ran out; extending them keeps all workers from claiming the turns in the meantime. The turn that
 * began last comes first, because it is the likeliest cause: the others ran together before it came.
 */
const reserve = `
WITH suspect AS (
  SELECT t.id FROM ${turnsAs('t')} CROSS JOIN LATERAL ${deathsOf('t')} d
  WHERE t.status IN ('RUNNING', 'RECOVERING') AND t.worker IS NOT NULL AND t.lease_until < now()
    AND t.id <> ALL((SELECT $3::uuid[])::uuid[])
    AND d.deaths >= ${maxDeaths.inCompany}
  ORDER BY t.started_at DESC LIMIT (SELECT $1::int) FOR NO KEY UPDATE OF t SKIP LOCKED
)
${extendLeases('suspect', '$2::int')}`;

/** Reserves turns that must run alone and that no worker runs, for as long as a process may take to start. */
export const reserveIsolated = (
  database: Pick<Database, 'query'>,
  most: number,
  running: readonly string[] = [],
): Promise<IsolatedTurn[]> => database.query(reserve, [most, startMs, running]);

type Deps = {
  database: Pick<Database, 'query'>;
  logger: Logger;
  /** Starts a process; null where there can be no other, because the database is embedded in this one. */
  launch: LaunchIsolated | null;
  /** The ids of the turns that this worker runs. `isIdle`: it runs none and is claiming none. */
  running: () => readonly string[];
  isIdle: () => boolean;
  /** Claims the turn and runs it in this process; false where it cannot be claimed any more. */
  run: (turn: IsolatedTurn) => Promise<boolean>;
};

/**
 * Runs turns at which workers died where they cannot end other turns: each in a process of its own, or, where no
 * process can be started, in this one. In the latter case this worker begins no other turn until its running ones have
 * ended and the isolated turn has run. After it, the worker claims other turns again before it looks for the next
 * isolated one, so neither kind waits for ever: each waits for the time of one turn at most, which is limited.
 */
export function createIsolation({ database, logger, launch, running, isIdle, run }: Deps) {
  const processes = new Set<IsolatedProcess>();
  let next: IsolatedTurn | null = null;

  function start(turn: IsolatedTurn, startIn: LaunchIsolated): void {
    const started = startIn(turn);
    processes.add(started);
    logger.warn({ turnId: turn.id, pid: started.pid }, 'turn runs in a process of its own: its workers died');
    void started.ended.then((how) => {
      processes.delete(started);
      logger.info({ turnId: turn.id, pid: started.pid, how }, 'the process of one turn has ended');
    });
  }

  return {
    /** Whether this worker may begin no other turn, because one runs alone in this process, or is about to. */
    get isExclusive(): boolean {
      return next !== null;
    },
    /** Looks for turns that must run alone, and runs them. */
    async look(): Promise<void> {
      const most = launch ? maxProcesses - processes.size : 1;
      const isFree = most > 0 && next === null;
      const found = isFree ? await reserveIsolated(database, most, running()) : [];
      if (launch) {
        for (const turn of found) start(turn, launch);
        return;
      }
      next ??= found[0] ?? null;
      if (!next || !isIdle()) return;
      logger.warn({ turnId: next.id }, 'turn runs alone: its workers died');
      try {
        await run(next);
      } finally {
        next = null;
      }
    },
    /** Asks the processes to hand over their turns, and waits until they have ended. */
    async drain(): Promise<void> {
      for (const each of processes) each.stop();
      await Promise.all([...processes].map(({ ended }) => ended));
    },
  };
}
