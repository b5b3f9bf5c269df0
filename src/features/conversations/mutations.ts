import { builder } from '../../graph/builder.ts';
import { DeleteResult } from '../../graph/deleted.ts';
import { idOf } from '../../graph/ids.ts';
import { resultUnion } from '../../graph/results.ts';
import {
  ConflictError,
  ForbiddenError,
  NotFoundError,
  ProviderError,
  RateLimitedError,
  ValidationError,
} from '../../kernel/errors.ts';
import { toGlobalId } from '../../kernel/global-id.ts';
import { ConversationStatus } from './enums.ts';
import { readConversation } from './read.ts';
import { Conversation } from './types.ts';

export const CreateConversationInput = builder.inputType('CreateConversationInput', {
  description: 'A new conversation. Everything may be left out.',
  fields: (t) => ({
    title: t.string({ description: 'Up to 200 characters. Without it the first message gives the title.' }),
    provider: t.string({ description: 'The provider that answers; by default the one configured.' }),
    model: t.string({ description: 'The model that answers; by default the one configured.' }),
    language: t.string({
      description:
        'BCP 47 language tag of at most 35 characters, e.g. "es" or "zh-Hant-TW"; kept in its canonical form.',
    }),
    systemPrompt: t.string({ description: 'Instructions that precede every answer; up to 32,000 characters.' }),
    metadata: t.field({ type: 'JSON', description: 'A JSON object with labels of the application; up to 16 KiB.' }),
  }),
});

const UpdateConversationInput = builder.inputType('UpdateConversationInput', {
  description: 'What to change of a conversation; what is left out stays.',
  fields: (t) => ({
    id: t.id({ required: true, description: 'Its global id.' }),
    title: t.string({ description: 'Up to 200 characters, at least one of them visible.' }),
    status: t.field({ type: ConversationStatus, description: 'COMPLETED is for good.' }),
    language: t.string({ description: 'BCP 47 language tag of at most 35 characters.' }),
    provider: t.string({ description: 'The provider that answers from now on.' }),
    model: t.string({ description: 'The model that answers from now on.' }),
    systemPrompt: t.string({
      description:
        'Instructions for every answer from the next turn on; up to 32,000 characters, none where it is empty.',
    }),
    metadata: t.field({ type: 'JSON', description: 'A JSON object in place of the present one; up to 16 KiB.' }),
  }),
});

const ConversationSuccess = builder.objectRef<{ conversationId: string }>('ConversationSuccess').implement({
  description: 'It succeeded.',
  fields: (t) => ({
    conversation: t.field({
      type: Conversation,
      description: 'The conversation as it is now.',
      resolve: ({ conversationId }, _args, context, info) => readConversation(context, conversationId, info),
    }),
  }),
});

export const ConversationResult = resultUnion('ConversationResult', {
  description: 'The conversation as it is now, or the reason why nothing was changed.',
  success: ConversationSuccess,
  errors: [ValidationError, NotFoundError, ForbiddenError, RateLimitedError, ConflictError, ProviderError],
});

builder.mutationFields((t) => ({
  createConversation: t.field({
    type: ConversationResult.type,
    description:
      'Creates a conversation without a message. `sendMessage` can create one together with its first message.',
    args: {
      input: t.arg({
        type: CreateConversationInput,
        required: true,
        description: 'The settings of the new conversation.',
      }),
    },
    resolve: (_root, { input }, context) =>
      ConversationResult.run(context, async ({ viewer, services }) => ({
        conversationId: (await services.conversations.create(viewer, input)).id,
      })),
  }),
  updateConversation: t.field({
    type: ConversationResult.type,
    description: 'Changes fields of a conversation, such as its title or its model.',
    args: { input: t.arg({ type: UpdateConversationInput, required: true, description: 'What to change.' }) },
    resolve: (_root, { input: { id, ...changes } }, context) =>
      ConversationResult.run(context, async ({ viewer, services }) => {
        const conversationId = idOf('Conversation', id, 'input.id');
        await services.conversations.update(viewer, conversationId, id, changes);
        return { conversationId };
      }),
  }),
  archiveConversation: t.field({
    type: ConversationResult.type,
    description: 'Moves a conversation into the archive, or out of it. In the archive it accepts no messages.',
    args: {
      id: t.arg.id({ required: true, description: 'Its global id.' }),
      archived: t.arg.boolean({ defaultValue: true, description: 'False takes it out of the archive.' }),
    },
    resolve: (_root, { id, archived }, context) =>
      ConversationResult.run(context, async ({ viewer, services }) => {
        const conversationId = idOf('Conversation', id, 'id');
        await services.conversations.archive(viewer, conversationId, id, archived ?? true);
        return { conversationId };
      }),
  }),
  endConversation: t.field({
    type: ConversationResult.type,
    description: 'Ends a conversation for good: it can still be read, and accepts no messages any more.',
    args: { id: t.arg.id({ required: true, description: 'Its global id.' }) },
    resolve: (_root, { id }, context) =>
      ConversationResult.run(context, async ({ viewer, services }) => {
        const conversationId = idOf('Conversation', id, 'id');
        await services.conversations.end(viewer, conversationId, id);
        return { conversationId };
      }),
  }),
  deleteConversation: t.field({
    type: DeleteResult.type,
    description:
      'Deletes a conversation with all its messages. A running turn is stopped. The records of usage and cost stay.',
    args: { id: t.arg.id({ required: true, description: 'Its global id.' }) },
    resolve: (_root, { id }, context) =>
      DeleteResult.run(context, async ({ viewer, services }) => {
        const conversationId = idOf('Conversation', id, 'id');
        await services.conversations.remove(viewer, conversationId, id);
        return { deletedId: toGlobalId('Conversation', conversationId) };
      }),
  }),
}));
