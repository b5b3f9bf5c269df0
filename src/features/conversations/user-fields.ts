import { builder } from '../../graph/builder.ts';
import type { Context } from '../../graph/context.ts';

type Counting = (user: { id: string }, args: object, context: Context) => Promise<number>;
const countConversations: Counting = async ({ id }, _args, { loaders }) =>
  (await loaders.userCounts.load(id))?.conversations ?? 0;
const countMessages: Counting = async ({ id }, _args, { loaders }) =>
  (await loaders.userCounts.load(id))?.messages ?? 0;

builder.prismaObjectFields('User', (t) => ({
  conversationCount: t.int({
    description: 'How many conversations the user has.',
    resolve: countConversations,
  }),
  messageCount: t.int({
    description: 'How many messages these conversations have.',
    resolve: countMessages,
  }),
  conversationsCount: t.int({
    description: 'The earlier name of `conversationCount`.',
    deprecationReason: 'Use conversationCount.',
    resolve: countConversations,
  }),
  messagesCount: t.int({
    description: 'The earlier name of `messageCount`.',
    deprecationReason: 'Use messageCount.',
    resolve: countMessages,
  }),
}));
