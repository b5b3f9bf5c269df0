/**
 * Conversations: what a person and an assistant talk about, and who may see it. Owns the table `conversation`.
 * Promises: another owner's conversation behaves exactly like one that does not exist; an archived or ended
 * conversation takes no messages; every change is an event in the same transaction.
 */
export { createVisibility, visibleTo } from './access.ts';
export { type ConversationService, createConversationService, type NewConversation } from './conversation-service.ts';
export { baseTitle, copyTitle, titleFrom } from './rules.ts';
export {
  addTotals,
  joinConversation,
  joinLiving,
  joinLivingOf,
  placeMessages,
  setLength,
  subtractMessages,
} from './store/conversation.sql.ts';
export {
  findConversation,
  findOwn,
  findPayer,
  findTitled,
  findWholeConversation,
  insertConversation,
  type LockedConversation,
  listTitles,
  lockConversation,
  lockConversationRow,
  moveActiveLeaf,
  nameConversation,
  type Payer,
  type Titled,
  updateConversation,
} from './store/conversation-store.ts';
export { findPurgeable, lockForPurge, purgeConversation } from './store/purge.ts';
