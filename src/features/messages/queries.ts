import { builder } from '../../graph/builder.ts';
import { idOf, keyOrUnknown } from '../../graph/ids.ts';
import { parsePage, toPage } from '../../graph/lists/paging.ts';
import { orderKey } from '../../graph/lists/window.ts';
import { type Loaders, present } from '../../graph/loaders.ts';
import { NotFoundError } from '../../kernel/errors.ts';
import { Conversation, readConversation } from '../conversations/graph.ts';
import { findMessage } from './message-store.ts';
import { Message, MessageConnection, pageWithin } from './message-types.ts';

const messageList = 'messages';

/** A message of this conversation; another's does not exist here. */
async function leafIn(conversationId: string, given: string, { messageRows }: Loaders): Promise<string> {
  const id = idOf('Message', given, 'leaf');
  if ((await messageRows.load(id))?.conversationId !== conversationId)
    throw new NotFoundError('message in this conversation', given);
  return id;
}

builder.prismaObjectFields('Conversation', (t) => ({
  messages: t.field({
    type: MessageConnection,
    description:
      'The messages of one branch, oldest first; without `leaf` of the branch that is shown. `last: 50` gives the ' +
      'newest fifty, still oldest first.',
    args: {
      first: t.arg.int({ description: 'How many from the beginning: 1 to 100; 20 when nothing is said.' }),
      after: t.arg.string({ description: 'Only what comes after this cursor.' }),
      last: t.arg.int({ description: 'How many from the end: 1 to 100.' }),
      before: t.arg.string({ description: 'Only what comes before this cursor.' }),
      leaf: t.arg.id({
        description:
          'The last message to read: any message of the conversation. Without it the end of the branch that is shown.',
      }),
    },
    resolve: async ({ id, activeLeafId }, { leaf, ...args }, context, info) => {
      const { loaders } = context;
      const page = parsePage(messageList, args);
      const leafId = leaf == null ? activeLeafId : await leafIn(id, leaf, loaders);
      const ids = leafId ? await loaders.path.load({ parentId: leafId, page }) : [];
      const rows = pageWithin(await present(loaders.messageRows, ids), context, info);
      return toPage(page, rows, {
        list: messageList,
        keysOf: ({ ordinal }) => orderKey(ordinal),
        count: async () => (leafId && (await loaders.pathLength.load(leafId))) || 0,
      });
    },
  }),
}));

builder.prismaObjectField('Message', 'conversation', (t) =>
  t.field({
    type: Conversation,
    description: 'The conversation that the message belongs to.',
    resolve: ({ conversationId }, _args, context, info) => readConversation(context, conversationId, info),
  }),
);

builder.queryField('message', (t) =>
  t.field({
    type: Message,
    nullable: true,
    description: 'A message by its id; null where none exists for the viewer.',
    args: { id: t.arg.id({ required: true, description: 'Its global id.' }) },
    resolve: async (_root, { id }, { db, viewer, loaders }) => {
      const found = await findMessage(db, viewer, keyOrUnknown('Message', id));
      return found && loaders.messageRows.load(found.id);
    },
  }),
);
