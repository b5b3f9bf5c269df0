import { readWorkers } from '../../features/worker/index.ts';
import { pause } from '../../kernel/async.ts';
import type { Database } from '../../platform/db.ts';

/** Whether somebody runs turns, in words. */
export type WorkersFinding = { isGood: boolean; says: string };

/** Anybody may ask: however many do, the database is asked once a second. */
const freshMs = 1_000;
const patienceMs = 2_000;

const unknownFinding: WorkersFinding = {
  isGood: false,
  says: 'The database does not answer, so nobody knows whether a worker runs.',
};

const how = 'Start a process with ROLE=worker or ROLE=all, and look why the last one ended.';

/** In words, who runs turns. */
function describeWorkers({ running, lastHeartbeatAt }: Awaited<ReturnType<typeof readWorkers>>): WorkersFinding {
  if (running > 0)
    return { isGood: true, says: running === 1 ? '1 worker runs turns' : `${running} workers run turns` };
  const last = lastHeartbeatAt
    ? `the last was heard of at ${lastHeartbeatAt.toISOString()}`
    : 'none was heard of in the last hour';
  return { isGood: false, says: `No worker runs, ${last}. Messages are stored, and answered when one does. ${how}` };
}

export function createWorkersCheck(database: Pick<Database, 'query'>): () => Promise<WorkersFinding> {
  let asking: Promise<WorkersFinding> | null = null;
  let last: { at: number; finding: Promise<WorkersFinding> } | null = null;

  const ask = (): Promise<WorkersFinding> =>
    (asking ??= readWorkers(database)
      .then(describeWorkers, () => unknownFinding)
      .finally(() => {
        asking = null;
      }));

  return () => {
    const now = performance.now();
    if (!last || now - last.at > freshMs)
      last = { at: now, finding: Promise.race([ask(), pause(patienceMs).then(() => unknownFinding)]) };
    return last.finding;
  };
}
