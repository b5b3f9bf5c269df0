/**
 * Tools: what models may call, what they called, and what people allow. Owns tables `tool_call` and `approval`.
 * Promises: a tool that could never work keeps the process from starting; a call has one outcome, and a decision binds
 * the arguments that were shown, once. Who may decide and when a turn goes on is said in `approvals`, how calls are run
 * in `worker`.
 */
export {
  countAsked,
  decide,
  findExpired,
  findForDecision,
  insertApprovals,
  type LockedApproval,
  listAsked,
  lockApprovals,
  withdrawApprovals,
} from './approval-store.ts';
export { bytesOfCalls, copyCalls, endedCalls } from './call.sql.ts';
export {
  allowCall,
  type ClosedCall,
  closeCalls,
  endCall,
  insertCall,
  listCalls,
  listCallsOfMessages,
  listDue,
  lockCalls,
  type StoredCall,
  startCall,
  updateResolved,
} from './call-store.ts';
export { createToolRegistry, specOf, type ToolRegistry } from './registry.ts';
export { toolsRun } from './rules.ts';
