/**
 * The engine: how one turn runs, told over ports. Owns no table and knows no database, socket or schema. Promises:
 * COMPLETED only with a finish reason of the model; text that a reader has seen is repeated only as a recorded attempt;
 * every call is accounted, however it ends; a call of a tool is made at most so often as the tool allows, and has one
 * outcome.
 */

export { type Call, tokensOfLength, wasSent } from './call.ts';
export { callModel } from './call-model.ts';
export { type Candidate, type Fitted, fitToWindow, itemsOf, type Window } from './context-window.ts';
export type { EnginePorts, Interruption } from './ports.ts';
export { runTurn, type TurnWork } from './run-turn.ts';
export { countTokens } from './token-count.ts';
export { checkArguments, maxArguments, parametersOf } from './tools/arguments.ts';
export type { ResolvedCall, Steering, ToolLimits, ToolPorts } from './tools/ports.ts';
export { statusWhenAllowed } from './tools/resolve-calls.ts';
export { toOutcome } from './tools/result.ts';
export { toModelMessages, toUserText } from './tools/to-messages.ts';
export { BrokenRun, HandedOver, type TurnEnd } from './turn-end.ts';
export { isTerminal, statesBefore } from './turn-machine.ts';
