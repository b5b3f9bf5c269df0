/**
 * Conversations: what a person and an assistant talk about, and who may see it. Owns the table `conversation`.
 * Promises: another owner's conversation behaves exactly like one that does not exist; an archived or ended conversation takes no messages;
 * every change is an event in the same transaction.
 */
export { createVisibility, visibleTo } from './access.ts';
export { type ConversationService, createConversationService, type NewConversation } from './conversation-service.ts';
export {
  findConversation,
  findPayer,
  findTitled,
  findWholeConversation,
  insertConversation,
  type LockedConversation,
  listTitles,
  lockConversation,
  lockConversationRow,
  nameConversation,
  type Payer,
  type Titled,
  updateConversation,
} from './conversation-store.ts';
export { findPurgeable, lockForPurge, purgeConversation } from './purge.ts';
export { baseTitle, copyTitle, titleFrom } from './rules.ts';
