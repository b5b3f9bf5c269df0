/**
 * Turns: one question and its answer, as those who ask see it: admission, stop, retry, and what can be read of them.
 * Promises: the same idempotency key never makes two turns; at most one turn of a conversation is live, the others wait in order;
 * closing a connection never stops a turn.
 */

export { modelFor } from './admit.ts';
export { type Content, countable, readContent } from './content/content.ts';
export { ContentInput, contentIn } from './content/inputs.ts';
export { type GenerationRequest, parseGeneration, readFormat, refuseUnusableFormat } from './input.ts';
export { GenerationInput } from './inputs.ts';
export { TurnResult } from './mutations.ts';

export { createTurnRows, queuePositions } from './turn-rows.ts';
export { createTurnService, type TurnService } from './turn-service.ts';
export { Turn } from './types.ts';
