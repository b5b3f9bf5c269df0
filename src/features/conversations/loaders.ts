import type { Conversation } from '../../generated/prisma/client.ts';
import { addLoaders, batched, byId, type Loader, large } from '../../graph/loaders.ts';
import type { Rows } from '../../graph/rows.ts';
import { countsOfUsers, findLiving, largeColumnsOf } from './store/conversation-store.ts';

type ConversationRow = Omit<Conversation, 'systemPrompt' | 'metadata'>;

declare module '../../graph/rows.ts' {
  interface Rows {
    Conversation: ConversationRow;
  }
  interface NamedTypes {
    Conversation: ConversationRow;
  }
}

declare module '../../graph/loaders.ts' {
  interface Loaders {
    conversationRows: Loader<Rows['Conversation']>;
    conversationMetadata: Loader<unknown>;
    systemPrompts: Loader<string>;
    /**
     * Position of a conversation's log. Asked for before the rest of the conversation is read, so that it is never
     * later than the rest.
     */
    logHead: Loader<{ head: number; epoch: number }>;
    userCounts: Loader<{ conversations: number; messages: number }>;
  }
}

addLoaders(({ db, query, services }) => {
  const { metadata, systemPrompts } = largeColumnsOf({ prisma: db, query });
  return {
    conversationRows: () => byId((ids) => findLiving(db, ids)),
    conversationMetadata: (budget) => large(budget, metadata),
    systemPrompts: (budget) => large(budget, systemPrompts),
    logHead: () => batched((ids) => services.log.heads(ids)),
    userCounts: () => batched((ids) => countsOfUsers(db, ids)),
  };
});
