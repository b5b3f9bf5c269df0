import { builder } from '../../graph/builder.ts';
import { GenerationInput } from '../context/graph.ts';
import { CreateConversationInput } from '../conversations/graph.ts';
import { ContentInput } from '../messages/graph.ts';
import type { WhenBusy as WhenBusyPolicy } from './admission/when-busy.ts';

const IdOrNewConversation = builder.inputType('IdOrNewConversation', {
  description: 'Where the message goes: into a conversation, or into a new one that is made in the same transaction.',
  isOneOf: true,
  fields: (t) => ({
    id: t.id({ description: 'Global id of a conversation that exists.' }),
    new: t.field({ type: CreateConversationInput, description: 'A new conversation; {} is enough.' }),
  }),
});

const WaitFor = builder.enumType('WaitFor', {
  description: 'How long `sendMessage` waits before it answers.',
  values: {
    ACCEPTED: { description: 'As soon as the turn is stored: subscribe for the answer.' },
    FINISHED: {
      description: 'When the turn has ended, or after `timeoutMs`: for those who want one answer from one request.',
    },
  },
});

const WhenBusy = builder.enumType('WhenBusy', {
  description:
    'What happens to the turns of the conversation that have not ended. Without such turns, all values are the same.',
  values: {
    ENQUEUE: { description: 'The message waits in the queue until they have ended.' },
    REJECT: { description: 'The message is refused with a TurnInProgressError.' },
    INTERRUPT: {
      description:
        'The turn that runs is stopped, and what it has is kept; those that wait are cancelled. The new turn reads ' +
        'all their messages.',
    },
    ROLLBACK: { description: 'They are rolled back: they end as SUPERSEDED, with their messages and answers.' },
    STEER: {
      description:
        'The turn that runs reads the message before its next step, when it has called tools (TurnSteeredEvent). If ' +
        'it has no further step, the message waits.',
    },
    MERGE: {
      description: 'Messages that wait and this one become one message of one turn, with empty lines between them.',
    },
  } satisfies Record<WhenBusyPolicy, { description: string }>,
});

/**
 * How long FINISHED waits when the client does not say, in milliseconds. Many proxies cut a request that is silent for
 * 60 seconds.
 */
export const defaultWaitMs = 50_000;

export const SendMessageInput = builder.inputType('SendMessageInput', {
  description: 'A message to send.',
  fields: (t) => ({
    conversation: t.field({
      type: IdOrNewConversation,
      required: true,
      description: 'The conversation of the message.',
    }),
    content: t.field({ type: ContentInput, required: true, description: 'The content.' }),
    idempotencyKey: t.string({
      required: true,
      description:
        'Made by the client, 1 to 255 characters. Same key and same payload: the first turn. Same key and another ' +
        'payload: IdempotencyConflictError.',
    }),
    parentId: t.id({
      description:
        'The message that the caller has as the last one of the branch that is shown; a ConflictError where it is ' +
        'not the last any more. Without it the message follows whatever is last.',
    }),
    whenBusy: t.field({
      type: WhenBusy,
      defaultValue: 'ENQUEUE',
      description: 'What happens to the turns of the conversation that have not ended.',
    }),
    generation: t.field({ type: GenerationInput, description: 'How to generate the answer.' }),
    waitFor: t.field({ type: WaitFor, defaultValue: 'ACCEPTED', description: 'How long to wait before the answer.' }),
    timeoutMs: t.int({
      description:
        `How long FINISHED waits at the most, in milliseconds: 0 to 600,000; ${defaultWaitMs.toLocaleString('en')} ` +
        'when nothing is said, since many proxies cut at 60,000. The turn goes on after it.',
    }),
  }),
});

const key = 'Made by the client, 1 to 255 characters; the same key never makes two turns.';

export const RegenerateInput = builder.inputType('RegenerateInput', {
  description: 'Another answer to the same question, on a branch of its own.',
  fields: (t) => ({
    messageId: t.id({ required: true, description: 'Global id of the answer, or of the question that it answers.' }),
    idempotencyKey: t.string({ required: true, description: key }),
    generation: t.field({ type: GenerationInput, description: 'How to generate the answer.' }),
  }),
});

export const EditMessageInput = builder.inputType('EditMessageInput', {
  description: 'New text for a message of the user, on a new branch.',
  fields: (t) => ({
    messageId: t.id({ required: true, description: 'Global id of the message of the user.' }),
    content: t.field({ type: ContentInput, required: true, description: 'The new content.' }),
    idempotencyKey: t.string({ required: true, description: key }),
    rerun: t.boolean({
      defaultValue: true,
      description: 'Whether a model answers it. False: the turn is over when it is admitted.',
    }),
    generation: t.field({ type: GenerationInput, description: 'How to generate the answer.' }),
  }),
});

const StopTarget = builder.inputType('StopTarget', {
  description: 'What to stop.',
  isOneOf: true,
  fields: (t) => ({
    turnId: t.id({ description: 'This turn.' }),
    conversationId: t.id({ description: 'The turn that is running in this conversation, or the next in its queue.' }),
  }),
});

const SeenPosition = builder.inputType('SeenPosition', {
  description: 'What a client had on screen.',
  fields: (t) => ({
    messageId: t.id({ required: true, description: 'Global id of the message.' }),
    partIndex: t.int({ required: true, description: 'The last part that was shown.' }),
    length: t.int({ required: true, description: 'UTF-16 units of it that were shown.' }),
  }),
});

export const StopTurnInput = builder.inputType('StopTurnInput', {
  description: 'What to stop, and what to keep.',
  fields: (t) => ({
    target: t.field({ type: StopTarget, required: true, description: 'What to stop.' }),
    seen: t.field({ type: SeenPosition, description: 'What this client had on screen; the stored text is cut there.' }),
    keepPartial: t.boolean({ defaultValue: true, description: 'Whether to keep the text so far.' }),
    clearQueue: t.boolean({
      defaultValue: false,
      description: 'Whether to cancel the turns that wait in the conversation, too.',
    }),
  }),
});

export const SteerTurnInput = builder.inputType('SteerTurnInput', {
  description: 'Text for a turn that is running.',
  fields: (t) => ({
    turnId: t.id({ required: true, description: 'Global id of the turn that runs, or waits for somebody.' }),
    content: t.field({ type: ContentInput, required: true, description: 'The text for the turn.' }),
    idempotencyKey: t.string({ required: true, description: key }),
  }),
});
