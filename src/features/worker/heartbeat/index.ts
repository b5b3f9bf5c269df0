/**
 * Workers: which processes look for turns to run. Owns table `worker`.
 * Promises: a worker that runs has a fresh heartbeat whatever else it does; one that drains has no row any more; one that was lost counts
 * as away after seconds, and is forgotten after an hour. No turn and no token costs a statement for it.
 */
export { createHeartbeat, type Heartbeat } from './heartbeat.ts';
export { deleteStaleWorkers, readWorkers } from './worker-store.ts';
