import { encodeEventCursor } from '../../events/index.ts';
import { builder } from '../../graph/builder.ts';
import type { Context } from '../../graph/context.ts';
import { isRefusal, orRefusal, typeOfRefusal } from '../../graph/error-types.ts';
import { idOf } from '../../graph/ids.ts';
import { ConflictError, ForbiddenError, IdempotencyConflictError, NotFoundError, ProviderError, ValidationError } from '../../kernel/errors.ts';
import { readConversation } from '../conversations/index.ts';
import type { Admitted } from './admission.ts';
import { SendMessageInput, StopTurnInput, textOf } from './inputs.ts';
import { Turn } from './types.ts';

type Started = { turnId: string; conversationId: string; messageId: string | null; deduplicated: boolean; from: number };

const turnField = { type: Turn, description: 'The turn as it is now.' } as const;
const readTurn = ({ turnId }: { turnId: string }, _args: unknown, { db }: Context) => db.turn.findUniqueOrThrow({ where: { id: turnId } });
const cursorOf = async ({ conversationId, from }: { conversationId: string; from: number }, _args: unknown, { loaders }: Context) =>
  encodeEventCursor({ conversationId, epoch: (await loaders.logHead.load(conversationId))?.epoch ?? 1, seq: from });

const SendMessageSuccess = builder.objectRef<Started>('SendMessageSuccess').implement({
  description: 'The message is stored and its turn admitted: the answer can no longer be lost.',
  fields: (t) => ({
    turn: t.field({ ...turnField, resolve: readTurn }),
    conversation: t.field({
      type: 'Conversation',
      description: 'The conversation.',
      resolve: ({ conversationId }, _args, context, info) => readConversation(context, conversationId, info),
    }),
    userMessage: t.field({
      type: 'Message',
      nullable: true,
      description: 'The message as it was stored.',
      resolve: ({ messageId }, _args, { db }) => (messageId ? db.message.findUnique({ where: { id: messageId } }) : null),
    }),
    deduplicated: t.exposeBoolean('deduplicated', { description: 'Whether an earlier request with this idempotency key had made the turn.' }),
    cursor: t.field({ type: 'EventCursor', description: 'Subscribe after this: everything of this turn comes later.', resolve: cursorOf }),
  }),
});

builder.objectType(IdempotencyConflictError, {
  name: 'IdempotencyConflictError',
  isTypeOf: isRefusal('IdempotencyConflictError'),
  description: 'The idempotency key was used for another request.',
  interfaces: ['ApiError' as never],
  fields: (t) => ({
    originalTurn: t.field({
      type: Turn,
      nullable: true,
      description: 'The turn that the key belongs to; null where it was deleted.',
      resolve: ({ originalTurnId }, _args, { db, viewer }) =>
        db.turn.findFirst({ where: { id: originalTurnId, ownerId: viewer.userId, conversation: { deletedAt: null } } }),
    }),
  }),
});

const TurnSuccess = builder.objectRef<{ turnId: string; conversationId: string; from: number }>('TurnSuccess').implement({
  description: 'It is done.',
  fields: (t) => ({
    turn: t.field({ ...turnField, resolve: readTurn }),
    cursor: t.field({
      type: 'EventCursor',
      description: 'Subscribe after this: everything that this request caused comes later.',
      resolve: cursorOf,
    }),
  }),
});

const typeOr = (success: string) => (value: unknown) => typeOfRefusal(value) ?? success;

const SendMessageResult = builder.unionType('SendMessageResult', {
  description: 'The admitted turn, or why there is none.',
  types: [SendMessageSuccess, ValidationError, NotFoundError, ForbiddenError, IdempotencyConflictError, ProviderError, ConflictError],
  resolveType: typeOr('SendMessageSuccess'),
});

const TurnResult = builder.unionType('TurnResult', {
  description: 'The turn, or why nothing was done.',
  types: [TurnSuccess, ValidationError, NotFoundError, ForbiddenError, ConflictError, IdempotencyConflictError, ProviderError],
  resolveType: typeOr('TurnSuccess'),
});

const refusals = ['ValidationError', 'NotFoundError', 'ForbiddenError', 'IdempotencyConflictError', 'ProviderError', 'ConflictError'] as const;
const started = ({ logStart, ...turn }: Admitted): Started => ({ ...turn, from: logStart });

/** How long FINISHED waits when the client does not say. */
const defaultWaitMs = 120_000;

builder.mutationFields((t) => ({
  sendMessage: t.field({
    type: SendMessageResult,
    description: 'Sends a message. A worker answers it, whether or not anybody watches; a turn that runs already is waited for in the queue.',
    args: { input: t.arg({ type: SendMessageInput, required: true, description: 'What, where, and how to answer.' }) },
    resolve: (_root, { input }, context) =>
      orRefusal(context, refusals, async ({ viewer, services: { turns }, signal }) => {
        const { conversation, idempotencyKey, generation, waitFor, timeoutMs } = input;
        const target =
          conversation.id == null
            ? { new: conversation.new ?? {} }
            : { id: idOf('Conversation', conversation.id, 'input.conversation.id'), givenId: conversation.id };
        const wait = timeoutMs ?? defaultWaitMs;
        turns.checkWait(wait);
        const admitted = await turns.send(viewer, {
          conversation: target,
          text: textOf(input.content),
          idempotencyKey,
          generation: generation ?? {},
        });
        if (waitFor === 'FINISHED') await turns.finished(admitted.turnId, wait, signal);
        return started(admitted);
      }) as Promise<Started>,
  }),
  stopTurn: t.field({
    type: TurnResult,
    description: `Stops a turn, wherever it runs, and aborts the request to the model. Answers with the settled turn; where its worker takes more than a few
seconds, with the turn as it is.`,
    args: { input: t.arg({ type: StopTurnInput, required: true, description: 'Which turn, and what to keep.' }) },
    resolve: (_root, { input: { target, seen, keepPartial, clearQueue } }, context) =>
      orRefusal(context, refusals, ({ viewer, services: { turns }, signal }) => {
        const what =
          target.turnId == null
            ? { conversationId: idOf('Conversation', target.conversationId!, 'input.target.conversationId'), givenId: target.conversationId! }
            : { turnId: idOf('Turn', target.turnId, 'input.target.turnId'), givenId: target.turnId };
        if (seen && (seen.length < 0 || seen.partIndex < 0)) throw ValidationError.of('input.seen', 'length and partIndex must not be negative');
        const position = seen ? { ...seen, messageId: idOf('Message', seen.messageId, 'input.seen.messageId') } : null;
        return turns.stop(
          viewer,
          { target: what, request: { keepPartial: keepPartial ?? true, seen: position }, clearQueue: clearQueue ?? false },
          signal,
        );
      }) as Promise<Started>,
  }),
  retryTurn: t.field({
    type: TurnResult,
    description:
      'Runs the newest turn of a conversation again, if it failed or was stopped: a new turn for the same message, whose answer takes the place of the old one.',
    args: {
      turnId: t.arg.id({ required: true, description: 'Global id of the failed turn.' }),
      idempotencyKey: t.arg.string({ required: true, description: 'Made by the client, 1 to 255 characters; the same key never retries twice.' }),
    },
    resolve: (_root, { turnId, idempotencyKey }, context) =>
      orRefusal(context, refusals, async ({ viewer, services: { turns } }) =>
        started(await turns.retry(viewer, { turnId: idOf('Turn', turnId, 'turnId'), givenId: turnId, idempotencyKey })),
      ) as Promise<Started>,
  }),
}));
