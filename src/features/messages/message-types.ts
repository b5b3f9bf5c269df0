import { contentOf } from '../../contracts/message.ts';
import { builder } from '../../graph/builder.ts';
import { charged } from '../../graph/charged.ts';
import type { Context } from '../../graph/context.ts';
import { connectionOf } from '../../graph/lists/paging.ts';
import { present } from '../../graph/loaders.ts';
import { findNodes, globalId, Node } from '../../graph/node.ts';
import type { Rows } from '../../graph/rows.ts';
import { type Info, timesSelected } from '../../graph/selection.ts';
import { visibleTo } from '../conversations/index.ts';
import { FinishReason, MessageRole, MessageStatus } from './enums.ts';
import { partsOf } from './message-store.ts';
import { MessagePartUnion, withPartIndex } from './parts-types.ts';

/** The parts as they are now: stored with a message that is whole, folded from the log for one that streams. */
const presentParts = async (message: Rows['Message'], { loaders }: Context) =>
  message.status === 'STREAMING' && message.turnId
    ? loaders.streamingParts.load({ messageId: message.id, turnId: message.turnId })
    : partsOf((await message.contents.get()).parts);

/**
 * A page of messages for a connection whose field `info` is about: none of them where their contents alone, of which at
 * least the lengths are known, are more than an answer may hold.
 */
export function pageWithin(rows: Rows['Message'][], { budget }: Context, info: Info): Rows['Message'][] {
  const times = timesSelected(info, ['nodes', 'content']) + timesSelected(info, ['edges', 'node', 'content']);
  if (times === 0) return rows;
  return budget.foresee(times * rows.reduce((sum, { contentLength }) => sum + contentLength, 0)) ? rows : [];
}

export const Message = builder.prismaObject('Message', {
  description: 'A message of a conversation: of the user, or of the model.',
  interfaces: [Node],
  fields: (t) => ({
    id: t.id(globalId('Message')),
    role: t.field({ type: MessageRole, description: 'Who wrote the message.', resolve: ({ role }) => role }),
    content: t.string({
      nullable: true,
      description: 'The text parts joined; null where there are none. Of a message that streams: what there is now.',
      resolve: charged(async (message, _args, context) => contentOf(await presentParts(message, context))),
    }),
    parts: t.field({
      type: [MessagePartUnion],
      description: 'What the message is made of, in order. Of a message that streams: what there is now.',
      resolve: async (message, _args, context) => withPartIndex(message.id, await presentParts(message, context)),
    }),
    toolCallId: t.exposeString('toolCallId', {
      nullable: true,
      description: 'Of a TOOL message: the id of the call that it answers.',
    }),
    status: t.field({
      type: MessageStatus,
      description: 'The status of the message.',
      resolve: ({ status }) => status,
    }),
    finishReason: t.field({
      type: FinishReason,
      nullable: true,
      description: 'Why it came to its end; null while it has not, and for what users wrote.',
      resolve: (message) => message.finishReason,
    }),
    ordinal: t.field({
      type: 'BigInt',
      description: 'Dense order in its conversation, from 1; two messages never have the same.',
      resolve: ({ ordinal }) => ordinal,
    }),
    model: t.exposeString('model', {
      nullable: true,
      description: 'The model that wrote it; null for messages of users.',
    }),
    tokenCount: t.exposeInt('tokenCount', {
      description: 'Tokens of the message: counted by the provider where it answered, else by our tokenizer.',
    }),
    estimatedCost: t.field({
      type: 'Decimal',
      description:
        'What the call that wrote it cost in US dollars, as far as prices are known; "0.000000" where there was none.',
      resolve: ({ estimatedCost }) => estimatedCost?.toFixed(6) ?? '0.000000',
    }),
    requestId: t.exposeString('requestId', {
      nullable: true,
      description: "The provider's id of the request, for its support.",
    }),
    responseTimeMs: t.exposeInt('responseTimeMs', {
      nullable: true,
      description: 'Milliseconds from the request to the end of the answer.',
    }),
    timeToFirstTokenMs: t.exposeInt('timeToFirstTokenMs', {
      nullable: true,
      description: 'Milliseconds from the request to the first text.',
    }),
    metadata: t.field({
      type: 'JSON',
      description: 'Labels of the application.',
      resolve: charged(async ({ contents }) => (await contents.get()).metadata),
    }),
    contentLength: t.int({
      description: 'Length of `content` in UTF-16 units.',
      resolve: async (message, _args, context) =>
        message.status === 'STREAMING'
          ? (contentOf(await presentParts(message, context))?.length ?? 0)
          : message.contentLength,
    }),
    contentSha256: t.exposeString('contentSha256', {
      nullable: true,
      description:
        'SHA-256 of `content` as UTF-8, in hex: a client that applied every delta can prove that it has this very ' +
        'text. Null while it streams.',
    }),
    createdAt: t.field({ type: 'DateTime', description: 'When it was begun.', resolve: ({ createdAt }) => createdAt }),
    updatedAt: t.field({
      type: 'DateTime',
      description: 'When it last changed.',
      resolve: ({ updatedAt }) => updatedAt,
    }),
  }),
});

findNodes('Message', async (ids, { db, viewer, loaders }) => {
  const visible = await db.message.findMany({
    where: { id: { in: ids }, conversation: visibleTo(viewer) },
    select: { id: true },
  });
  return present(
    loaders.messageRows,
    visible.map(({ id }) => id),
  );
});

export const MessageConnection = connectionOf('Message', Message);
