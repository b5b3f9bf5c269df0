/**
 * Worker: claims turns, runs them and settles them, and tells that it is alive. Owns the tables `turn_attempt` and `worker`.
 * Promises: a turn has one worker at a time, and a worker that lost it writes nothing of it; every attempt ends once, with one ledger row
 * for its call; a turn has exactly one terminal event, its last; a settled turn never changes. A worker that runs has a fresh heartbeat whatever
 * else it does, and no turn and no token costs a statement for it.
 */

export type { ClaimOnCommit } from './claim.ts';
export type { IsolatedTurn, LaunchIsolated } from './claiming/isolation.ts';
export { assemble, type ContextDeps, type ContextLimits, roomFor } from './context.ts';
export { createReports } from './context-reports.ts';
export { fromRecord, TurnNotActiveError } from './errors.ts';
export { createHeartbeat, type Heartbeat } from './heartbeat/heartbeat.ts';
export { deleteStaleWorkers, readWorkers } from './heartbeat/worker-store.ts';
export { settleQueued } from './settle.ts';
export { finishedCall } from './tools/call-events.ts';
export { resumeTurn } from './tools/parking.ts';
export {
  type AdmittedTurn,
  findAdmitted,
  findLastTurn,
  findTurn,
  findTurnByKey,
  findWholeTurn,
  insertTurn,
  lockTurn,
  lockUnfinished,
  readBacklog,
  requestStop,
  type UnfinishedTurn,
} from './turn-store.ts';
export { createWorker, type Worker } from './worker.ts';
