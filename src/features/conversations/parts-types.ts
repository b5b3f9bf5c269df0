import type { MessagePart } from '../../contracts/message.ts';
import { builder } from '../../graph/builder.ts';

type Indexed<P extends MessagePart> = P & { index: number };

const place = 'Its place in the message, from 0; events name parts by it.';
const units = 'Length of the text in UTF-16 units.';

const TextPart = builder.objectRef<Indexed<Extract<MessagePart, { type: 'text' }>>>('TextPart').implement({
  description: 'Text for the reader, in Markdown where the model writes it.',
  fields: (t) => ({
    index: t.exposeInt('index', { description: place }),
    text: t.exposeString('text', { description: 'The text.' }),
    length: t.int({ description: units, resolve: ({ text }) => text.length }),
  }),
});

const ReasoningPart = builder.objectRef<Indexed<Extract<MessagePart, { type: 'reasoning' }>>>('ReasoningPart').implement({
  description: 'What the model said of its own thinking, where its provider shows that.',
  fields: (t) => ({
    index: t.exposeInt('index', { description: place }),
    text: t.exposeString('text', { description: 'The reasoning.' }),
    length: t.int({ description: units, resolve: ({ text }) => text.length }),
    redacted: t.boolean({ description: 'Whether the provider withheld it.', resolve: ({ redacted }) => redacted ?? false }),
  }),
});

const RefusalPart = builder.objectRef<Indexed<Extract<MessagePart, { type: 'refusal' }>>>('RefusalPart').implement({
  description: 'Why the model would not answer.',
  fields: (t) => ({
    index: t.exposeInt('index', { description: place }),
    text: t.exposeString('text', { description: 'The refusal.' }),
  }),
});

const DataPart = builder.objectRef<Indexed<Extract<MessagePart, { type: 'data' }>>>('DataPart').implement({
  description:
    'What a model said in the format that it was asked for (`GenerationInput.responseFormat`): it has been checked. Its text is a part of its own.',
  fields: (t) => ({
    index: t.exposeInt('index', { description: place }),
    schema: t.exposeString('schema', { description: 'The name of the format.' }),
    data: t.field({ type: 'JSON', description: 'The data.', resolve: ({ data }) => data }),
    confidence: t.float({ nullable: true, description: 'How sure the model is, from 0 to 1; null where it does not say.', resolve: () => null }),
  }),
});

const typeNames = { text: 'TextPart', reasoning: 'ReasoningPart', refusal: 'RefusalPart', data: 'DataPart' } as const;

export const MessagePartUnion = builder.unionType('MessagePart', {
  description: 'One piece of a message.',
  types: [TextPart, ReasoningPart, RefusalPart, DataPart],
  resolveType: ({ type }) => typeNames[type],
});

export const withIndex = (parts: readonly MessagePart[]) => parts.map((part, index) => ({ ...part, index }));
