/**
 * Worker: claims turns, runs them and settles them, and tells that it is alive. Owns the tables `turn_attempt` and
 * `worker`. Promises: a turn has one worker at a time, and a worker that lost it writes nothing of it; every attempt
 * ends once, with one ledger row for its call; a turn has exactly one terminal event, its last. A worker that runs has
 * a fresh heartbeat whatever else it does, and no turn and no token costs a statement for it.
 */

export type { IsolatedTurn, LaunchIsolated } from './claiming/isolation.ts';
export { createHeartbeat, type Heartbeat } from './heartbeat/heartbeat.ts';
export { deleteStaleWorkers, readWorkers } from './heartbeat/worker-store.ts';
export { finishedCall } from './tools/call-events.ts';
export { createWorker, type Worker } from './worker.ts';
