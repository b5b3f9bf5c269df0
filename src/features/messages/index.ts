/**
 * Messages: what was said in a conversation. Owns the tables `message` and `branch`. Promises: messages form a tree:
 * what was said is never changed, an edit or another answer is a branch beside it, and each conversation shows one
 * branch to everybody; the messages of a conversation have a dense order of their own.
 */
export {
  type Content,
  contentName,
  countable,
  joinParts,
  type ReadContent,
  readContent,
  refuseTooLongText,
  toParts,
} from './content/content.ts';
export { beginAnswer, joinMessage, messagesAs } from './message.sql.ts';
export {
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
export { purgeMessages } from './purge.ts';
export { appendMessages, type NewMessage } from './tree/append.ts';
export { type BranchService, createBranchService } from './tree/branch-service.ts';
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
export { segments } from './tree/segments.sql.ts';
