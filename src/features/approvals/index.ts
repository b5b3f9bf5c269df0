/**
 * Approvals: what people and clients do for a turn that waits: decisions on calls, and outputs of tools that run
 * elsewhere. Owns no table. Promises: a decision binds the arguments that were shown, once, whoever else decides at the
 * same time; what nobody decides in time is denied; the turn goes on when nothing is asked any more, in whatever worker
 * looks first.
 */
export { createDecisions, type Decisions } from './decisions.ts';
export { createOutputs, type Outputs } from './outputs.ts';
