import { builder } from '../../graph/builder.ts';
import { CreateConversationInput } from '../conversations/index.ts';
import { ContentInput } from './content/inputs.ts';
import type { WhenBusy as WhenBusyPolicy } from './when-busy.ts';

export const IdOrNewConversation = builder.inputType('IdOrNewConversation', {
  description: 'Where the message goes: into a conversation, or into a new one that is made in the same transaction.',
  isOneOf: true,
  fields: (t) => ({
    id: t.id({ description: 'Global id of a conversation that exists.' }),
    new: t.field({ type: CreateConversationInput, description: 'A new conversation; {} is enough.' }),
  }),
});

const ToolChoiceInput = builder.inputType('ToolChoiceInput', {
  description: 'Whether the model calls tools. After its first calls it decides for itself.',
  isOneOf: true,
  fields: (t) => ({
    auto: t.boolean({ description: 'true: the model decides.' }),
    none: t.boolean({ description: 'true: it must not.' }),
    required: t.boolean({ description: 'true: it must call at least one.' }),
    tool: t.string({ description: 'It must call the tool of this name.' }),
  }),
});

export const GenerationInput = builder.inputType('GenerationInput', {
  description: "How to generate this answer; what is left out is left to the conversation and the provider's defaults.",
  fields: (t) => ({
    model: t.string({ description: 'Another model for this answer: one of `Query.models`.' }),
    temperature: t.float({ description: 'Randomness, 0 to 2. Models that reason ignore it.' }),
    maxTokens: t.int({ description: "Tokens of the answer at the most: 1 to the model's `maxOutputTokens`." }),
    topP: t.float({ description: 'Nucleus sampling, 0 to 1.' }),
    frequencyPenalty: t.float({ description: '-2 to 2.' }),
    presencePenalty: t.float({ description: '-2 to 2.' }),
    responseFormat: t.field({
      type: 'JSON',
      description:
        'A JSON Schema of an object that the answer must be: checked, and given as a DataPart named by its `title`. At most 16 KiB, without `pattern` and references to elsewhere. An answer that does not fit is asked for once more; after that the turn fails.',
    }),
    tools: t.stringList({
      description: 'Names of the tools that the model may call; [] for none. Without it the model may call all that the installation has.',
    }),
    toolChoice: t.field({ type: ToolChoiceInput, description: 'Whether the model may, must or must not call tools.' }),
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

const WhenBusy = builder.enumType('WhenBusy', {
  description: 'What to do when the conversation has turns that are not done. Where it has none, all are the same.',
  values: {
    ENQUEUE: { description: 'The message waits until they are done.' },
    REJECT: { description: 'The message is refused with a TurnInProgressError.' },
    INTERRUPT: {
      description: 'The turn that runs is stopped, and what it has is kept; those that wait are cancelled. The new turn reads all their messages.',
    },
    ROLLBACK: { description: 'As if they had not been: they end as SUPERSEDED, with what was asked and answered in them.' },
    STEER: {
      description:
        'The turn that runs reads the message before its next step, when it has called tools (TurnSteeredEvent). If it has no further step, the message waits.',
    },
    MERGE: { description: 'Messages that wait and this one become one message of one turn, with empty lines between them.' },
  } satisfies Record<WhenBusyPolicy, { description: string }>,
});

/** How long FINISHED waits when the client does not say, in milliseconds. Many proxies cut a request that is silent for 60 seconds. */
export const defaultWaitMs = 50_000;

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
    parentId: t.id({
      description:
        'The message that the caller takes for the last one of the branch that is shown; a ConflictError where it is not any more. Without it the message follows whatever is last.',
    }),
    whenBusy: t.field({ type: WhenBusy, defaultValue: 'ENQUEUE', description: 'What becomes of turns of the conversation that are not done.' }),
    generation: t.field({ type: GenerationInput, description: 'How to generate the answer.' }),
    waitFor: t.field({ type: WaitFor, defaultValue: 'ACCEPTED', description: 'When to answer.' }),
    timeoutMs: t.int({
      description: `How long FINISHED waits at the most, in milliseconds: 0 to 600,000; ${defaultWaitMs.toLocaleString('en')} when nothing is said, since many proxies cut at 60,000. The turn goes on after it.`,
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
  description: 'Something else in place of what the user said, on a branch of its own.',
  fields: (t) => ({
    messageId: t.id({ required: true, description: 'Global id of the message of the user.' }),
    content: t.field({ type: ContentInput, required: true, description: 'What it says instead.' }),
    idempotencyKey: t.string({ required: true, description: key }),
    rerun: t.boolean({ defaultValue: true, description: 'Whether a model answers it. False: the turn is over when it is admitted.' }),
    generation: t.field({ type: GenerationInput, description: 'How to generate the answer.' }),
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

export const SteerTurnInput = builder.inputType('SteerTurnInput', {
  description: 'Something that a turn is to know while it runs.',
  fields: (t) => ({
    turnId: t.id({ required: true, description: 'Global id of the turn that runs, or waits for somebody.' }),
    content: t.field({ type: ContentInput, required: true, description: 'What it is told.' }),
    idempotencyKey: t.string({ required: true, description: key }),
  }),
});
