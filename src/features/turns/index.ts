/**
 * Turns: one question and its answer. Owns tables `turn` and `turn_attempt`.
 * Promises: the same idempotency key never makes two turns; at most one turn of a conversation is live, the others wait in order;
 * a turn has exactly one terminal event, its last; a settled turn never changes; a worker that lost a turn writes nothing of it.
 */
export type { Admitted, SendMessage } from './admission.ts';
export { TurnNotActiveError } from './errors.ts';
export { createTurnRows, queuePositions } from './turn-rows.ts';
export { createTurnService, type TurnService } from './turn-service.ts';
export { createWorker, type Worker, type WorkerDeps } from './worker.ts';
