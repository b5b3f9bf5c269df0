import { type MessagePart, partKinds } from '../../contracts/message.ts';
import { builder } from '../../graph/builder.ts';
import { charged } from '../../graph/charged.ts';
import type { Context } from '../../graph/context.ts';

type Indexed<P extends MessagePart> = P & { index: number; messageId: string };

const place = 'The index of the part in the message, from 0; events name parts by it.';
const units = 'Length of the text in UTF-16 units.';

const TextPart = builder.objectRef<Indexed<Extract<MessagePart, { type: 'text' }>>>('TextPart').implement({
  description: 'Text for the reader, in Markdown where the model writes it.',
  fields: (t) => ({
    index: t.exposeInt('index', { description: place }),
    text: t.string({ description: 'The text.', resolve: charged(({ text }) => text) }),
    length: t.int({ description: units, resolve: ({ text }) => text.length }),
  }),
});

const ReasoningPart = builder
  .objectRef<Indexed<Extract<MessagePart, { type: 'reasoning' }>>>('ReasoningPart')
  .implement({
    description: 'The reasoning of the model, where its provider shows it.',
    fields: (t) => ({
      index: t.exposeInt('index', { description: place }),
      text: t.string({ description: 'The reasoning.', resolve: charged(({ text }) => text) }),
      length: t.int({ description: units, resolve: ({ text }) => text.length }),
      redacted: t.boolean({
        description: 'Whether the provider withheld it.',
        resolve: ({ redacted }) => redacted ?? false,
      }),
    }),
  });

const RefusalPart = builder.objectRef<Indexed<Extract<MessagePart, { type: 'refusal' }>>>('RefusalPart').implement({
  description: 'Why the model would not answer.',
  fields: (t) => ({
    index: t.exposeInt('index', { description: place }),
    text: t.string({ description: 'The refusal.', resolve: charged(({ text }) => text) }),
  }),
});

const DataPart = builder.objectRef<Indexed<Extract<MessagePart, { type: 'data' }>>>('DataPart').implement({
  description:
    'What a model said in the format that it was asked for (`GenerationInput.responseFormat`): it has been checked. ' +
    'Its text is a part of its own.',
  fields: (t) => ({
    index: t.exposeInt('index', { description: place }),
    schema: t.exposeString('schema', { description: 'The name of the format: the `title` of its JSON Schema.' }),
    data: t.field({ type: 'JSON', description: 'The data.', resolve: charged(({ data }) => data) }),
    confidence: t.float({
      nullable: true,
      description: 'How sure the model is, from 0 to 1; null where it does not say.',
      resolve: () => null,
    }),
  }),
});

/** The call that a part names by its number in the message. */
async function callOf({ messageId, call }: Indexed<Extract<MessagePart, { call: number }>>, { loaders }: Context) {
  const find = async () => (await loaders.messageCalls.load(messageId))?.find(({ number }) => number === call);
  let found = await find();
  if (!found) {
    // The log may tell of a call that was begun after the calls of the message were read.
    loaders.messageCalls.clear(messageId);
    found = await find();
  }
  if (!found) throw new Error(`Call ${call} of message ${messageId} is not there.`);
  return found;
}

const ToolCallPart = builder.objectRef<Indexed<Extract<MessagePart, { type: 'tool-call' }>>>('ToolCallPart').implement({
  description: 'A call of a tool. Its result is a part of its own, further on.',
  fields: (t) => ({
    index: t.exposeInt('index', { description: place }),
    toolCall: t.field({
      type: 'ToolCall',
      description: 'The call.',
      resolve: (part, _args, context) => callOf(part, context),
    }),
  }),
});

const ToolResultPart = builder
  .objectRef<Indexed<Extract<MessagePart, { type: 'tool-result' }>>>('ToolResultPart')
  .implement({
    description: 'The result of a call of a tool, as the model was shown it. Results are in the order of their calls.',
    fields: (t) => ({
      index: t.exposeInt('index', { description: place }),
      toolCall: t.field({
        type: 'ToolCall',
        description: 'The call.',
        resolve: (part, _args, context) => callOf(part, context),
      }),
      result: t.field({
        type: 'JSON',
        nullable: true,
        description: 'What the tool gave; null where it failed, or has not ended.',
        resolve: charged(async (part, _args, context) => (await (await callOf(part, context)).contents.get()).result),
      }),
      isError: t.boolean({
        description: 'Whether it failed, was not allowed, or may not have been made.',
        resolve: async (part, _args, context) =>
          ['FAILED', 'DENIED', 'CANCELLED', 'OUTCOME_UNKNOWN'].includes((await callOf(part, context)).status),
      }),
    }),
  });

const WidgetPart = builder.objectRef<Indexed<Extract<MessagePart, { type: 'widget' }>>>('WidgetPart').implement({
  description:
    'Something to show that is no text, such as a form: the client knows its type. In a message of the user: an ' +
    'answer to one.',
  fields: (t) => ({
    index: t.exposeInt('index', { description: place }),
    widgetType: t.exposeString('widgetType', { description: 'What kind of widget, e.g. "appointment_form".' }),
    data: t.field({ type: 'JSON', description: 'What to show in it.', resolve: charged(({ data }) => data) }),
    response: t.field({
      type: 'JSON',
      nullable: true,
      description: 'What the user answered (`ContentPartInput.widgetResponse`); null while nobody has.',
      resolve: charged(({ response }) => response ?? null),
    }),
  }),
});

export const MessagePartUnion = builder.unionType('MessagePart', {
  description: 'One piece of a message.',
  types: [TextPart, ReasoningPart, RefusalPart, ToolCallPart, ToolResultPart, WidgetPart, DataPart],
  resolveType: ({ type }) => partKinds[type].graphqlType,
});

export { WidgetPart };

export const withPartIndex = (messageId: string, parts: readonly MessagePart[]) =>
  parts.map((part, index) => ({ index, messageId, ...part }));
