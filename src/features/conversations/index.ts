/**
 * Conversations: what a person and an assistant said to each other. Owns tables `conversation`, `message` and `branch`.
 * Promises: another owner's conversation behaves exactly like one that does not exist; messages have a dense order of their own;
 * an archived or ended conversation takes no messages; every change is an event in the same transaction. Messages form a tree: what was said
 * is never changed, an edit or another answer is a branch beside it, and each conversation shows one branch to everybody.
 */
export { createVisibility, visibleTo } from './access.ts';
export { type ConversationService, createConversationService, type NewConversation } from './conversation-service.ts';
export {
  countsOfUsers,
  findConversation,
  findPayer,
  findTitled,
  findWholeConversation,
  insertConversation,
  type LockedConversation,
  largeColumnsOf,
  lockConversation,
  lockConversationRow,
  nameConversation,
  type Payer,
  type Titled,
} from './conversation-store.ts';
export {
  answerWidget,
  completeMessage,
  type EndedAnswer,
  endAnswers,
  findMessage,
  passOver,
  readParts,
  supersedeAnswers,
  supersedeTurns,
  updateParts,
} from './message-store.ts';
export { toolsRun } from './message-types.ts';
export { ConversationResult, CreateConversationInput } from './mutations.ts';
export { WidgetPart } from './parts-types.ts';
export { findPurgeable, lockForPurge, purgeConversation, purgeMessages } from './purge.ts';
export { readConversation } from './read.ts';
export { titleFrom } from './rules.ts';
export { appendMessages, type NewMessage } from './tree/append.ts';
export { type BranchService, createBranchService } from './tree/branch-service.ts';
export { createMessageRows } from './tree/message-rows.ts';
export { pathLengths, pathPages } from './tree/pages.ts';
export {
  type ContextMessage,
  listForContext,
  listForContexts,
  measureForContext,
  nearestShown,
  requireInTree,
  type TreeMessage,
  turnsOnPath,
} from './tree/path.ts';
export { segments } from './tree/ways.ts';
