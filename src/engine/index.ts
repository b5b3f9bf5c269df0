/**
 * The engine: how one turn runs, told over ports. Owns no table and knows no database, socket or schema.
 * Promises: COMPLETED only with a finish reason of the model; text that a reader has seen is repeated only as a recorded attempt;
 * every call is accounted, however it ends.
 */

export { callModel } from './call-model.ts';
export { type Candidate, type Fitted, fitToWindow, itemsOf } from './context-window.ts';
export type { Call, EnginePorts, Interruption } from './ports.ts';
export { HandedOver, runTurn, type TurnEnd, type TurnWork } from './run-turn.ts';
export { countTokens } from './token-count.ts';
export { isTerminal, statesBefore } from './turn-machine.ts';
