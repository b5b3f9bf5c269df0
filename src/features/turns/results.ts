import { encodeEventCursor } from '../../events/index.ts';
import { builder } from '../../graph/builder.ts';
import type { Context } from '../../graph/context.ts';
import { refusal } from '../../graph/error-types.ts';
import { resultUnion } from '../../graph/results.ts';
import type { Rows } from '../../graph/rows.ts';
import { type Info, selectsIdOnly } from '../../graph/selection.ts';
import {
  ConflictError,
  ContextTooLongError,
  ForbiddenError,
  IdempotencyConflictError,
  NotFoundError,
  ProviderError,
  RateLimitedError,
  TurnInProgressError,
  ValidationError,
} from '../../kernel/errors.ts';
import { readConversation } from '../conversations/graph.ts';
import { Turn } from './types.ts';

export type Started = {
  turnId: string;
  conversationId: string;
  messageId: string | null;
  deduplicated: boolean;
  waitTimedOut: boolean;
  from: number;
  epoch: number;
};

const turnField = { type: Turn, description: 'The turn as it is now.' } as const;
const readTurn = async (
  { turnId: id }: { turnId: string },
  _args: unknown,
  { db }: Context,
  info: Info,
): Promise<Rows['Turn']> =>
  selectsIdOnly(info) ? ({ id } as Rows['Turn']) : db.turn.findUniqueOrThrow({ where: { id } });
const cursorOf = async (
  { conversationId, from }: { conversationId: string; from: number },
  _args: unknown,
  { loaders }: Context,
) => encodeEventCursor({ conversationId, epoch: (await loaders.logHead.load(conversationId))?.epoch ?? 1, seq: from });

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
      resolve: ({ messageId }, _args, { loaders }) => (messageId ? loaders.messageRows.load(messageId) : null),
    }),
    deduplicated: t.exposeBoolean('deduplicated', {
      description: 'Whether an earlier request with this idempotency key had made the turn.',
    }),
    waitTimedOut: t.exposeBoolean('waitTimedOut', {
      description:
        'True where `waitFor: FINISHED` gave up before the turn ended: it goes on. The same request with the same ' +
        'key waits again.',
    }),
    cursor: t.field({
      type: 'EventCursor',
      description: 'Subscribe after this: everything of this turn comes later.',
      resolve: ({ from: seq, ...at }) => encodeEventCursor({ seq, ...at }),
    }),
  }),
});

builder.objectType(IdempotencyConflictError, {
  ...refusal(IdempotencyConflictError),
  description: 'The idempotency key was used for another request.',
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

builder.objectType(TurnInProgressError, {
  ...refusal(TurnInProgressError),
  description: 'The conversation has a turn that has not ended.',
  fields: (t) => ({
    activeTurn: t.field({
      type: Turn,
      description: 'The turn that runs, or the next of those that wait.',
      resolve: ({ activeTurnId }, _args, { db }) => db.turn.findUniqueOrThrow({ where: { id: activeTurnId } }),
    }),
  }),
});

const TurnSuccess = builder
  .objectRef<{ turnId: string; conversationId: string; from: number }>('TurnSuccess')
  .implement({
    description: 'It succeeded.',
    fields: (t) => ({
      turn: t.field({ ...turnField, resolve: readTurn }),
      cursor: t.field({
        type: 'EventCursor',
        description: 'Subscribe after this: everything that this request caused comes later.',
        resolve: cursorOf,
      }),
    }),
  });

const turnRefusals = [
  ValidationError,
  NotFoundError,
  ForbiddenError,
  RateLimitedError,
  TurnInProgressError,
  IdempotencyConflictError,
  ContextTooLongError,
  ProviderError,
  ConflictError,
];

export const SendMessageResult = resultUnion('SendMessageResult', {
  description: 'The turn that was admitted, or the reason why none was.',
  success: SendMessageSuccess,
  errors: turnRefusals,
});

export const TurnResult = resultUnion('TurnResult', {
  description: 'The turn as it is now, or the reason why nothing was done.',
  success: TurnSuccess,
  errors: turnRefusals,
});
