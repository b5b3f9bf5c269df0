import type { Database } from '../../../platform/db.ts';
import type { Logger } from '../../../platform/logger.ts';
import { extendLeases, turnsAs } from '../../turns/index.ts';
import { deathsOf, maxDeaths } from './deaths.sql.ts';

/** A turn that must run alone, with the fence that it had when it was reserved for that. */
export type IsolatedTurn = { id: string; fence: number };
/** A process that runs one turn. `stop` asks it to hand the turn over; `ended` never rejects. */
export type IsolatedProcess = { pid: number | undefined; ended: Promise<string>; stop(): void };
export type LaunchIsolated = (turn: IsolatedTurn) => IsolatedProcess;

/**
 * Processes of one turn each that a worker has beside itself, at the most. Each takes about 200 MB: the turns of a
 * worker that died twice may all come here.
 */
const maxProcesses = 2;
/**
 * How long a turn is kept for a process that starts. One that does not start, or dies before it claims the turn, delays
 * it by that.
 */
const startMs = 15_000;

/**
 * $1 how many, $2 for how many ms, $3 turns that this worker runs. Their leases ran out; until the new ones do, nobody
 * looks at them. First that which began last: the others ran beside one another before it came.
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

/** Turns that must run alone, and that nobody runs; nobody else gets them for a while, in which a process may start. */
export const reserveIsolated = (
  database: Pick<Database, 'query'>,
  most: number,
  running: readonly string[] = [],
): Promise<IsolatedTurn[]> => database.query(reserve, [most, startMs, running]);

type Deps = {
  database: Pick<Database, 'query'>;
  logger: Logger;
  /** Null where there can be no other process: the database is embedded in this one. */
  launch: LaunchIsolated | null;
  /** The turns that this worker runs, and whether it runs or claims none. */
  running: () => readonly string[];
  isIdle: () => boolean;
  /** Claims the turn and runs it in this process; false where it cannot be claimed any more. */
  run: (turn: IsolatedTurn) => Promise<boolean>;
};

/**
 * Runs turns whose workers died where they can end nobody else: each in a process of its own beside this one, or in
 * this process when all that it runs has ended, where it begins nothing else meanwhile. Then one of them is followed by
 * a round of others, so that neither waits for ever: for one turn's time at the most, which is bounded.
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
    /** Whether this worker may begin no other turn: one is to run alone here, or does. */
    get isExclusive(): boolean {
      return next !== null;
    },
    /** Looks for such turns, and runs them. */
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
    /** Lets the processes hand over what they run, and waits for their ends. */
    async drain(): Promise<void> {
      for (const each of processes) each.stop();
      await Promise.all([...processes].map(({ ended }) => ended));
    },
  };
}
