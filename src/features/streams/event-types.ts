import type { ObjectFieldBuilder } from '@pothos/core';
import { builder, type Types } from '../../graph/builder.ts';
import { ApiError, asData } from '../../graph/error-types.ts';
import { costs } from '../../graph/limits/list-cost.ts';
import { toGlobalId } from '../../kernel/global-id.ts';
import { FinishReason } from '../messages/graph.ts';
import { Turn, TurnStatus } from '../turns/graph.ts';
import { fromRecord, readTurnRow } from '../turns/index.ts';
import { UsageTotals } from '../usage/graph.ts';
import { readUsage } from '../usage/index.ts';
import { changed, conversation, eventType, eventTypeName, everyKind, message, messageId, turn } from './kit-types.ts';
import { toolEvents } from './tool-event-types.ts';

const delta = <
  T extends { body: { messageId: string; partIndex: number; offset: number; text: string; attempt: number } },
>(
  t: ObjectFieldBuilder<Types, T>,
) => ({
  messageId: messageId(t),
  partIndex: t.int({ description: 'Index of the part in the message.', resolve: ({ body }) => body.partIndex }),
  offset: t.int({ description: 'UTF-16 units of the part before this text.', resolve: ({ body }) => body.offset }),
  text: t.string({
    description: 'The text. Never begins or ends inside a surrogate pair.',
    resolve: ({ body }) => body.text,
  }),
  attempt: t.int({ description: 'The attempt that wrote it.', resolve: ({ body }) => body.attempt }),
});

const addressed =
  'Apply it where the local part has `offset` UTF-16 units; what it repeats is a no-op, and a local part that is ' +
  'shorter shows a hole.';

const types = [
  eventType(
    'snapshot',
    'SnapshotEvent',
    'The present state, in place of events: sent first where no cursor was given, and to a reader that is too far ' +
      'behind.',
    (t) => ({
      conversation: conversation(t),
    }),
  ),
  eventType(
    'conversation-updated',
    'ConversationUpdatedEvent',
    'One or more fields of the conversation changed.',
    (t) => ({
      conversation: conversation(t),
      changed: changed(t),
    }),
  ),
  eventType(
    'conversation-deleted',
    'ConversationDeletedEvent',
    'The conversation was deleted; the stream ends with this event.',
    (t) => ({
      conversationId: t.id({
        description: 'Global id of the conversation that was deleted.',
        resolve: (event) => toGlobalId('Conversation', event.conversationId),
      }),
    }),
  ),
  eventType('branch-selected', 'BranchSelectedEvent', 'Another branch is shown: read `messages` anew.', (t) => ({
    conversation: conversation(t),
    leaf: t.field({
      type: 'Message',
      description: 'The last message of that branch.',
      resolve: async ({ body }, _args, { loaders }) => (await loaders.messageRows.load(body.leafId))!,
    }),
  })),
  eventType(
    'message-added',
    'MessageAddedEvent',
    'A message exists. An answer is added empty, with its question, and grows by deltas.',
    (t) => ({
      message: message(t),
    }),
  ),
  eventType(
    'message-updated',
    'MessageUpdatedEvent',
    'Fields of a message changed, other than by growing text.',
    (t) => ({
      message: message(t),
      changed: changed(t),
    }),
  ),
  eventType('message-completed', 'MessageCompletedEvent', 'The text of a message is final.', (t) => ({
    message: message(t),
    finishReason: t.field({
      type: FinishReason,
      description: 'Why it ended.',
      resolve: ({ body }) => body.finishReason,
    }),
    contentLength: t.int({ description: 'UTF-16 units of the content.', resolve: ({ body }) => body.contentLength }),
    contentSha256: t.string({
      description: 'SHA-256 of the content as UTF-8, in hex: proof that a client has this very text.',
      resolve: ({ body }) => body.contentSha256,
    }),
  })),
  eventType('text-delta', 'TextDeltaEvent', `More text of an answer. ${addressed}`, delta),
  eventType('reasoning-delta', 'ReasoningDeltaEvent', `More reasoning. ${addressed}`, delta),
  eventType(
    'part-replaced',
    'PartReplacedEvent',
    'Cut the part to keepLength: the rest was taken back. Nothing else shortens text.',
    (t) => ({
      messageId: messageId(t),
      partIndex: t.int({ description: 'Index of the part in the message.', resolve: ({ body }) => body.partIndex }),
      keepLength: t.int({ description: 'UTF-16 units that stay.', resolve: ({ body }) => body.keepLength }),
      reason: t.string({ description: 'Why, for a log.', resolve: ({ body }) => body.reason }),
    }),
  ),
  ...toolEvents,
  eventType('turn-queued', 'TurnQueuedEvent', 'A turn was admitted.', (t) => ({
    turn: turn(t),
    position: t.int({ description: 'How many unfinished turns were before it.', resolve: ({ body }) => body.position }),
  })),
  eventType(
    'turn-started',
    'TurnStartedEvent',
    'A worker began a turn, or took it up again after it had waited for somebody.',
    (t) => ({
      turn: turn(t),
    }),
  ),
  eventType('turn-recovering', 'TurnRecoveringEvent', 'The worker of a turn was lost; another took it over.', (t) => ({
    turn: t.field({
      type: Turn,
      description: 'The turn as it is now.',
      resolve: ({ turnId }, _args, { db }) => readTurnRow(db, turnId!),
    }),
    attempt: t.int({ description: 'Number of the attempt that begins.', resolve: ({ body }) => body.attempt }),
    reason: t.string({ description: 'Why, for a log.', resolve: ({ body }) => body.reason }),
  })),
  eventType(
    'context-truncated',
    'ContextTruncatedEvent',
    'Not the whole conversation fits into what the model is shown.',
    (t) => ({
      droppedMessages: t.int({
        description: 'How many of the oldest messages are left out, with nothing in their place.',
        resolve: ({ body }) => body.droppedMessages,
      }),
      summarisedMessages: t.int({
        description: 'How many of the oldest messages a summary stands for.',
        resolve: ({ body }) => body.summarisedMessages,
      }),
      tokens: t.int({ description: 'Tokens of what is shown, as we count them.', resolve: ({ body }) => body.tokens }),
      limit: t.int({ description: 'How many there may be beside the answer.', resolve: ({ body }) => body.limit }),
    }),
  ),
  eventType(
    'usage-recorded',
    'UsageRecordedEvent',
    'The usage and cost of a call of a provider were recorded.',
    (t) => ({
      usage: t.field({
        type: 'Usage',
        description: 'The row of the ledger.',
        resolve: ({ body }, _args, { db }) => readUsage(db, body.usageId),
      }),
      conversationTokens: t.field({
        type: 'BigInt',
        description: 'Tokens of the conversation after it.',
        resolve: ({ body }) => body.conversationTokens,
      }),
      conversationCost: t.field({
        type: 'Decimal',
        description: 'Known cost of the conversation after it, in US dollars.',
        resolve: ({ body }) => body.conversationCost,
      }),
    }),
  ),
  eventType(
    'turn-finished',
    'TurnFinishedEvent',
    'A turn has ended. Exactly one per turn, and its last event; it also ends a stream of the turn alone.',
    (t) => ({
      turn: turn(t),
      status: t.field({ type: TurnStatus, description: 'How it ended.', resolve: ({ body }) => body.status }),
      finishReason: t.field({
        type: FinishReason,
        description: 'Why it ended.',
        resolve: ({ body }) => body.finishReason,
      }),
      totals: t.field({
        type: UsageTotals,
        description: 'Sums over its rows of the ledger.',
        resolve: ({ body }) => body.totals,
      }),
      error: t.field({
        type: ApiError,
        nullable: true,
        description: 'Why it failed; null where it did not.',
        resolve: ({ body }) => body.error && asData(fromRecord(body.error)),
      }),
    }),
  ),
];

/** What a list of events costs: of many events, few lead to objects, and a snapshot stands alone. */
export const eventCosts = costs({ snapshot: 'SnapshotEvent', all: ['ConversationEvent', 'EventMeta'] });

export const ConversationEvent = builder.unionType('ConversationEvent', {
  description:
    'Something that happened in a conversation. New kinds may be added: skip what you do not know, and keep the ' +
    'cursor.',
  types: everyKind(types),
  resolveType: eventTypeName,
});
