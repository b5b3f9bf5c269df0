import { builder } from '../../../graph/builder.ts';
import { idOf } from '../../../graph/ids.ts';
import { ConversationResult } from '../../conversations/graph.ts';
import type { BranchTarget } from './branch-service.ts';

const placeOf = (
  conversation: [argument: string, id: string],
  message: [argument: string, id: string],
): BranchTarget => ({
  conversationId: idOf('Conversation', conversation[1], conversation[0]),
  givenId: conversation[1],
  messageId: idOf('Message', message[1], message[0]),
  givenMessageId: message[1],
});

builder.mutationFields((t) => ({
  selectBranch: t.field({
    type: ConversationResult.type,
    description:
      'Selects the branch that is shown to every reader of the conversation, and that the next message continues.',
    args: {
      conversationId: t.arg.id({ required: true, description: 'Global id of the conversation.' }),
      leafId: t.arg.id({
        required: true,
        description:
          'The last message of the branch. Of a message that others follow, the newest of the branches through it ' +
          'is shown.',
      }),
    },
    resolve: (_root, { conversationId, leafId }, context) =>
      ConversationResult.run(context, async ({ viewer, services }) => {
        const place = placeOf(['conversationId', conversationId], ['leafId', leafId]);
        await services.branches.select(viewer, place);
        return { conversationId: place.conversationId };
      }),
  }),
  forkConversation: t.field({
    type: ConversationResult.type,
    description:
      'Makes a new conversation that begins with a copy of this one up to a message: at most 10,000 messages. What ' +
      'they cost is not copied. Its title is that of this one with a number. It counts as a turn for the rate of ' +
      'turns.',
    args: {
      id: t.arg.id({ required: true, description: 'Global id of the conversation to copy from.' }),
      fromMessageId: t.arg.id({ required: true, description: 'The last message to copy, with all that lead to it.' }),
    },
    resolve: (_root, { id, fromMessageId }, context) =>
      ConversationResult.run(context, async ({ viewer, services }) => {
        const place = placeOf(['id', id], ['fromMessageId', fromMessageId]);
        return { conversationId: await services.branches.fork(viewer, place) };
      }),
  }),
}));
