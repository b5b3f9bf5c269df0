/**
 * Turn runs: the life of a turn in the hands of workers. Owns tables `turn` and `turn_attempt`.
 * Promises: a turn has one worker at a time, and a worker that lost it writes nothing of it; every attempt ends once, with one ledger row
 * for its call; a turn has exactly one terminal event, its last; a settled turn never changes.
 */

export type { ClaimOnCommit } from './claim.ts';
export type { IsolatedTurn, LaunchIsolated } from './claiming/isolation.ts';
export { assemble, type ContextDeps, type ContextLimits, roomFor } from './context.ts';
export { createReports } from './context-reports.ts';
export { fromRecord, TurnNotActiveError } from './errors.ts';
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
