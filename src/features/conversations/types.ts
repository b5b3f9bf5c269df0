import { encodeEventCursor } from '../../events/index.ts';
import { charged } from '../../graph/budget/index.ts';
import { builder } from '../../graph/builder.ts';
import { ConversationStatus, TitleSource } from '../../graph/enums.ts';
import { idOf } from '../../graph/ids.ts';
import { type Loaders, present } from '../../graph/loaders.ts';
import { findNodes, globalId, Node } from '../../graph/node.ts';
import { connectionOf, parsePage, toPage } from '../../graph/paging.ts';
import { selects } from '../../graph/selection.ts';
import { orderKey } from '../../graph/window.ts';
import { NotFoundError } from '../../kernel/errors.ts';
import { visibleTo } from './access.ts';
import { MessageConnection, pageWithin } from './message-types.ts';
import { readConversation } from './read.ts';

const messageList = 'messages';

/** A message of this conversation; another's does not exist here. */
async function leafIn(conversationId: string, given: string, { messageRows }: Loaders): Promise<string> {
  const id = idOf('Message', given, 'leaf');
  if ((await messageRows.load(id))?.conversationId !== conversationId) throw new NotFoundError('message in this conversation', given);
  return id;
}

export const Conversation = builder.prismaObject('Conversation', {
  description: 'What a person and an assistant say to each other, with its event log.',
  interfaces: [Node],
  fields: (t) => ({
    id: t.id(globalId('Conversation')),
    sessionId: t.exposeString('sessionId', { description: 'A second key of the conversation, unique and stable, for systems beside this one.' }),
    owner: t.field({
      type: 'User',
      nullable: true,
      description: 'The owner of the conversation; null when the account was deleted.',
      resolve: ({ ownerId }, _args, { db }) => (ownerId ? db.user.findUnique({ where: { id: ownerId } }) : null),
    }),
    title: t.exposeString('title', { description: 'The title, up to 200 characters.' }),
    titleSource: t.field({ type: TitleSource, description: 'Who made the title.', resolve: ({ titleSource }) => titleSource }),
    language: t.exposeString('language', { description: 'BCP 47 language tag, e.g. "es" or "pt-BR".' }),
    provider: t.exposeString('provider', { description: 'The provider that answers, unless a message names another model.' }),
    model: t.exposeString('model', { description: 'The model that answers, unless a message names another.' }),
    status: t.field({ type: ConversationStatus, description: 'The status of the conversation.', resolve: ({ status }) => status }),
    isActive: t.boolean({ description: 'Whether it takes messages: status is ACTIVE.', resolve: ({ status }) => status === 'ACTIVE' }),
    isArchived: t.boolean({ description: 'Whether it is in the archive: status is ARCHIVED.', resolve: ({ status }) => status === 'ARCHIVED' }),
    systemPrompt: t.string({
      description: 'Instructions that precede every answer; empty where there are none.',
      resolve: charged(async ({ id }, _args, { loaders }) => (await loaders.systemPrompts.load(id)) ?? ''),
    }),
    metadata: t.field({
      type: 'JSON',
      description: 'Labels of the application.',
      resolve: charged(({ id }, _args, { loaders }) => loaders.conversationMetadata.load(id)),
    }),
    messageCount: t.exposeInt('messageCount', { description: 'How many messages it has.' }),
    totalTokens: t.field({ type: 'BigInt', description: 'Tokens of all calls made for it.', resolve: ({ totalTokens }) => totalTokens }),
    totalCost: t.field({
      type: 'Decimal',
      description: 'What these calls cost in US dollars, as far as prices are known.',
      resolve: ({ totalCost }) => totalCost.toFixed(6),
    }),
    createdAt: t.field({ type: 'DateTime', description: 'When it was created.', resolve: ({ createdAt }) => createdAt }),
    updatedAt: t.field({ type: 'DateTime', description: 'When it last changed.', resolve: ({ updatedAt }) => updatedAt }),
    lastMessageAt: t.field({
      type: 'DateTime',
      nullable: true,
      description: 'When the last message was written, answers included; null where there is none.',
      resolve: ({ lastMessageAt, lastOrdinal }) => (lastOrdinal > 0n ? lastMessageAt : null),
    }),
    messages: t.field({
      type: MessageConnection,
      description:
        'The messages of one branch, oldest first; without `leaf` of the branch that is shown. `last: 50` gives the newest fifty, still oldest first.',
      args: {
        first: t.arg.int({ description: 'How many from the beginning: 1 to 100; 20 when nothing is said.' }),
        after: t.arg.string({ description: 'Only what comes after this cursor.' }),
        last: t.arg.int({ description: 'How many from the end: 1 to 100.' }),
        before: t.arg.string({ description: 'Only what comes before this cursor.' }),
        leaf: t.arg.id({ description: 'The last message to read: any message of the conversation. Without it the end of the branch that is shown.' }),
      },
      resolve: async ({ id, activeLeafId }, { leaf, ...args }, context, info) => {
        const { loaders } = context;
        const page = parsePage(messageList, args);
        const leafId = leaf == null ? activeLeafId : await leafIn(id, leaf, loaders);
        const ids = leafId ? await loaders.path.load({ parentId: leafId, page }) : [];
        const rows = pageWithin(await present(loaders.messageRows, ids), context, info);
        return toPage(
          messageList,
          page,
          rows,
          ({ ordinal }) => orderKey(ordinal),
          async () => (leafId && (await loaders.pathLength.load(leafId))) || 0,
        );
      },
    }),
    eventCursor: t.field({
      type: 'EventCursor',
      description: `Position of this conversation's log, read before anything else in this payload. Subscribing with \`after: eventCursor\` can neither
miss nor repeat an event that this payload does not show.`,
      resolve: async ({ id }, _args, { loaders }) => {
        const log = await loaders.logHead.load(id);
        if (!log) throw new NotFoundError('conversation', null);
        return encodeEventCursor({ conversationId: id, epoch: log.epoch, seq: log.head });
      },
    }),
  }),
});

findNodes('Conversation', async (ids, { db, viewer, loaders }, info) => {
  const visible = { id: { in: ids }, ...visibleTo(viewer) };
  if (selects(info, 'eventCursor')) {
    const rows = await db.conversation.findMany({ where: visible, select: { id: true } });
    await loaders.logHead.loadMany(rows.map(({ id }) => id));
  }
  return db.conversation.findMany({ where: visible });
});

builder.prismaObjectField('Message', 'conversation', (t) =>
  t.field({
    type: Conversation,
    description: 'The conversation that the message belongs to.',
    resolve: ({ conversationId }, _args, context, info) => readConversation(context, conversationId, info),
  }),
);

export const ConversationConnection = connectionOf('Conversation', Conversation);
