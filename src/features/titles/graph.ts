import { builder } from '../../graph/builder.ts';
import { idOf } from '../../graph/ids.ts';
import { ConversationResult } from '../conversations/graph.ts';
import type { Titles } from './index.ts';

declare module '../../graph/services.ts' {
  interface Services {
    titles: Titles;
  }
}

builder.mutationField('generateTitle', (t) =>
  t.field({
    type: ConversationResult.type,
    description:
      'Has a model write a title from the last messages, which replaces the present one, and answers when it is ' +
      'stored.',
    args: { id: t.arg.id({ required: true, description: 'Global id of the conversation.' }) },
    resolve: (_root, { id }, context) =>
      ConversationResult.run(context, async ({ viewer, services, signal }) => {
        const conversationId = idOf('Conversation', id, 'id');
        await services.titles.generate(viewer, conversationId, id, signal);
        return { conversationId };
      }),
  }),
);
