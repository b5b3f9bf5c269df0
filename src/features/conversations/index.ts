/**
 * Conversations: what a person and an assistant said to each other. Owns tables `conversation` and `message`.
 * Promises: another owner's conversation behaves exactly like one that does not exist; messages have a dense order of their own;
 * an archived or ended conversation takes no messages; every change is an event in the same transaction.
 */
export { createVisibility, visibleTo } from './access.ts';
export { type ConversationService, createConversationService, type NewConversation } from './conversation-service.ts';
export {
  countsOfUsers,
  findConversation,
  holdConversation,
  insertConversation,
  type LockedConversation,
  lockConversation,
} from './conversation-store.ts';
export { appendMessage, completeMessage, findMessage, listForContext, partsOf, supersedeAnswers } from './message-store.ts';
export { CreateConversationInput } from './mutations.ts';
export { findPurgeable, holdForPurge, purgeConversation, purgeMessages } from './purge.ts';
export { readConversation } from './read.ts';
export { titleFrom } from './rules.ts';
