/**
 * Turns: one question and its answer, as those who ask see it: admission, queue, stop, retry. Owns the table `turn`.
 * Promises: the same idempotency key never makes two turns; at most one turn of a conversation runs, the others wait in
 * order; closing a connection never stops a turn; a turn that has ended never changes. Declares `ClaimOnCommit`, which
 * the worker implements.
 */

export { finishedEvent, settleQueued } from './ending/settle-queued.ts';
export { endAllTurns } from './ending/stop.ts';
export { fromRecord, TurnNotActiveError, toRecord } from './errors.ts';
export type { ClaimOnCommit, LocalWorker, NewlyAdmitted } from './ports.ts';
export { parkTurn, resumeTurn } from './store/parking.ts';
export { purgeTurns } from './store/purge.ts';
export { firstOwner, isHeld, moreWait, queuedTurn, rankOwners, runningOf } from './store/queue.sql.ts';
export { listSteered, listSteering, markSteered } from './store/steering-store.ts';
export {
  claimableOf,
  claimTurns,
  endTurn,
  extendLeases,
  turnsAs,
  unfinishedOf,
  unreadSteering,
} from './store/turn.sql.ts';
export {
  findTurn,
  insertTurn,
  isSettledBy,
  lockHeld,
  lockTurn,
  nextAttempt,
  readBacklog,
  readStatus,
  readTurnRow,
  releaseLease,
  renewLeases,
  unblockNext,
  unblockStrays,
} from './store/turn-store.ts';
export { createTurnService, type TurnService } from './turn-service.ts';
