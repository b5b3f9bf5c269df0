/**
 * Turns: one question and its answer, as those who ask see it: admission, stop, retry, and what can be read of them.
 * Promises: the same idempotency key never makes two turns; at most one turn of a conversation is live, the others wait in order;
 * closing a connection never stops a turn.
 */

export { modelFor } from './admission/admit.ts';
export { type Content, countable, readContent } from './content/content.ts';
export { type GenerationRequest, parseGeneration, readFormat, refuseUnusableFormat } from './input.ts';

export { createTurnService, type TurnService } from './turn-service.ts';
