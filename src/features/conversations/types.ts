import { encodeEventCursor } from '../../events/index.ts';
import { builder } from '../../graph/builder.ts';
import { charged } from '../../graph/charged.ts';
import { connectionOf } from '../../graph/lists/paging.ts';
import { findNodes, globalId, Node } from '../../graph/node.ts';
import { selects } from '../../graph/selection.ts';
import { NotFoundError } from '../../kernel/errors.ts';
import { findUser } from '../accounts/index.ts';
import { visibleTo } from './access.ts';
import { ConversationStatus, TitleSource } from './enums.ts';

export const Conversation = builder.prismaObject('Conversation', {
  description: 'What a person and an assistant say to each other, with its event log.',
  interfaces: [Node],
  fields: (t) => ({
    id: t.id(globalId('Conversation')),
    sessionId: t.exposeString('sessionId', {
      description: 'A second key of the conversation, unique and stable, for systems beside this one.',
    }),
    owner: t.field({
      type: 'User',
      nullable: true,
      description: 'The owner of the conversation; null when the account was deleted.',
      resolve: ({ ownerId }, _args, { db }) => (ownerId ? findUser(db, ownerId) : null),
    }),
    title: t.exposeString('title', { description: 'The title, up to 200 characters.' }),
    titleSource: t.field({
      type: TitleSource,
      description: 'Who made the title.',
      resolve: ({ titleSource }) => titleSource,
    }),
    language: t.exposeString('language', { description: 'BCP 47 language tag, e.g. "es" or "pt-BR".' }),
    provider: t.exposeString('provider', {
      description: 'The provider that answers, unless a message names another model.',
    }),
    model: t.exposeString('model', { description: 'The model that answers, unless a message names another.' }),
    status: t.field({
      type: ConversationStatus,
      description: 'The status of the conversation.',
      resolve: ({ status }) => status,
    }),
    isActive: t.boolean({
      description: 'Whether it takes messages: status is ACTIVE.',
      resolve: ({ status }) => status === 'ACTIVE',
    }),
    isArchived: t.boolean({
      description: 'Whether it is in the archive: status is ARCHIVED.',
      resolve: ({ status }) => status === 'ARCHIVED',
    }),
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
    totalTokens: t.field({
      type: 'BigInt',
      description: 'Tokens of all calls made for it.',
      resolve: ({ totalTokens }) => totalTokens,
    }),
    totalCost: t.field({
      type: 'Decimal',
      description: 'What these calls cost in US dollars, as far as prices are known.',
      resolve: ({ totalCost }) => totalCost.toFixed(6),
    }),
    createdAt: t.field({
      type: 'DateTime',
      description: 'When it was created.',
      resolve: ({ createdAt }) => createdAt,
    }),
    updatedAt: t.field({
      type: 'DateTime',
      description: 'When it last changed.',
      resolve: ({ updatedAt }) => updatedAt,
    }),
    lastMessageAt: t.field({
      type: 'DateTime',
      nullable: true,
      description: 'When the last message was written, answers included; null where there is none.',
      resolve: ({ lastMessageAt, lastOrdinal }) => (lastOrdinal > 0n ? lastMessageAt : null),
    }),
    eventCursor: t.field({
      type: 'EventCursor',
      description:
        "Position of this conversation's log, read before anything else in this payload. " +
        'Subscribing with `after: eventCursor` can neither miss nor repeat an event that this payload does not show.',
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

export const ConversationConnection = connectionOf('Conversation', Conversation);
