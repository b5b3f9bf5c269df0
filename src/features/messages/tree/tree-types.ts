import { builder } from '../../../graph/builder.ts';
import type { Context } from '../../../graph/context.ts';
import { costs } from '../../../graph/limits/list-cost.ts';
import { parsePage, toPage } from '../../../graph/lists/paging.ts';
import { orderKey } from '../../../graph/lists/window.ts';
import { present } from '../../../graph/loaders.ts';
import type { Rows } from '../../../graph/rows.ts';
import { Message, MessageConnection, pageWithin } from '../message-types.ts';
import { maxRelatives } from './message-rows.ts';

const list = 'allMessages';

/**
 * Few places of a conversation have more than one message, and a whole page of places is asked for: these count as a
 * handful.
 */
const relatives = costs({ length: 6, most: maxRelatives });

const siblingsOf = async (
  { parentId, conversationId }: Rows['Message'],
  { loaders }: Context,
): Promise<Rows['Message'][]> =>
  (parentId ? await loaders.messageChildren.load(parentId) : await loaders.firstMessages.load(conversationId)) ?? [];

/** A message of another conversation, where that is still there for the viewer. */
async function visibleMessage(id: string, { loaders, viewer }: Context): Promise<Rows['Message'] | null> {
  const message = await loaders.messageRows.load(id);
  const conversation = message && (await loaders.conversationRows.load(message.conversationId));
  return conversation?.ownerId === viewer.userId ? message : null;
}

builder.prismaObjectFields('Message', (t) => ({
  parent: t.field({
    type: Message,
    nullable: true,
    description: 'The message that it follows; null for a first one.',
    resolve: ({ parentId }, _args, { loaders }) => (parentId ? loaders.messageRows.load(parentId) : null),
  }),
  siblings: t.field({
    type: [Message],
    extensions: relatives,
    description:
      'All messages with the same parent, this one included, in order: the edits of one message, or the answers to ' +
      'one; the first 30.',
    resolve: (message, _args, context) => siblingsOf(message, context),
  }),
  siblingIndex: t.int({
    description: 'Its position among its siblings (messages with the same parent), from 0.',
    resolve: async (message, _args, context) =>
      (await siblingsOf(message, context)).filter(({ ordinal }) => ordinal < message.ordinal).length,
  }),
  children: t.field({
    type: [Message],
    extensions: relatives,
    description: 'What follows it directly, one for each branch, in order; the first 30.',
    resolve: async ({ id }, _args, { loaders }) => (await loaders.messageChildren.load(id)) ?? [],
  }),
}));

builder.prismaObjectFields('Conversation', (t) => ({
  activeLeaf: t.field({
    type: Message,
    nullable: true,
    description:
      'The last message of the branch that is shown, which the next message will follow; null while there is none.',
    resolve: ({ activeLeafId }, _args, { loaders }) => (activeLeafId ? loaders.messageRows.load(activeLeafId) : null),
  }),
  forkedFrom: t.field({
    type: Message,
    nullable: true,
    description:
      'The message of another conversation that this one was forked at: it began with a copy of all up to it. Null ' +
      'where it was not forked, and where the other is gone.',
    resolve: ({ forkedFromId }, _args, context) => (forkedFromId ? visibleMessage(forkedFromId, context) : null),
  }),
  allMessages: t.field({
    type: MessageConnection,
    description:
      'Every message of every branch in the order in which they were written, also those that another took the ' +
      'place of.',
    args: {
      first: t.arg.int({ description: 'How many from the beginning: 1 to 100; 20 when nothing is said.' }),
      after: t.arg.string({ description: 'Only what comes after this cursor.' }),
    },
    resolve: async ({ id }, args, context, info) => {
      const { loaders } = context;
      const page = parsePage(list, args);
      const rows = pageWithin(
        await present(loaders.messageRows, await loaders.messages.load({ parentId: id, page })),
        context,
        info,
      );
      return toPage(page, rows, {
        list,
        keysOf: ({ ordinal }) => orderKey(ordinal),
        count: () => loaders.messageCount.load({ parentId: id }),
      });
    },
  }),
}));
