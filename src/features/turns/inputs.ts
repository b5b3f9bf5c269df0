import { builder } from '../../graph/builder.ts';
import { CreateConversationInput } from '../conversations/index.ts';

export const IdOrNewConversation = builder.inputType('IdOrNewConversation', {
  description: 'Where the message goes: into a conversation, or into a new one that is made in the same transaction.',
  isOneOf: true,
  fields: (t) => ({
    id: t.id({ description: 'Global id of a conversation that exists.' }),
    new: t.field({ type: CreateConversationInput, description: 'A new conversation; {} is enough.' }),
  }),
});

export const ContentInput = builder.inputType('ContentInput', {
  description: 'What the message says.',
  isOneOf: true,
  fields: (t) => ({ text: t.string({ description: 'Text with at least one visible character.' }) }),
});

/** `@oneOf` lets nothing else through. */
export const textOf = ({ text }: typeof ContentInput.$inferInput): string => text ?? '';

export const GenerationInput = builder.inputType('GenerationInput', {
  description: "How to generate this answer; what is left out is left to the conversation and the provider's defaults.",
  fields: (t) => ({
    model: t.string({ description: 'Another model for this answer: one of `Query.models`.' }),
    temperature: t.float({ description: 'Randomness, 0 to 2. Models that reason ignore it.' }),
    maxTokens: t.int({ description: "Tokens of the answer at the most: 1 to the model's `maxOutputTokens`." }),
    topP: t.float({ description: 'Nucleus sampling, 0 to 1.' }),
    frequencyPenalty: t.float({ description: '-2 to 2.' }),
    presencePenalty: t.float({ description: '-2 to 2.' }),
    stop: t.stringList({ description: 'Up to 4 sequences that end the answer, 1 to 100 characters each.' }),
  }),
});

const WaitFor = builder.enumType('WaitFor', {
  description: 'When `sendMessage` answers.',
  values: {
    ACCEPTED: { description: 'As soon as the turn is stored: subscribe for the answer.' },
    FINISHED: { description: 'When the turn has ended, or after `timeoutMs`: for those who want one answer from one request.' },
  },
});

export const SendMessageInput = builder.inputType('SendMessageInput', {
  description: 'A message to send.',
  fields: (t) => ({
    conversation: t.field({ type: IdOrNewConversation, required: true, description: 'Where it goes.' }),
    content: t.field({ type: ContentInput, required: true, description: 'What it says.' }),
    idempotencyKey: t.string({
      required: true,
      description:
        'Made by the client, 1 to 255 characters. Same key and same payload: the first turn. Same key and another payload: IdempotencyConflictError.',
    }),
    generation: t.field({ type: GenerationInput, description: 'How to generate the answer.' }),
    waitFor: t.field({ type: WaitFor, defaultValue: 'ACCEPTED', description: 'When to answer.' }),
    timeoutMs: t.int({
      description: 'How long FINISHED waits at the most, in milliseconds: 0 to 600,000; 120,000 when nothing is said. The turn goes on after it.',
    }),
  }),
});

const StopTarget = builder.inputType('StopTarget', {
  description: 'What to stop.',
  isOneOf: true,
  fields: (t) => ({
    turnId: t.id({ description: 'This turn.' }),
    conversationId: t.id({ description: 'The live turn of this conversation, or the next in its queue.' }),
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
    clearQueue: t.boolean({ defaultValue: false, description: 'Whether to cancel the turns that wait in the conversation, too.' }),
  }),
});
