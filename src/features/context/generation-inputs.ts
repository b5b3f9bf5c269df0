import { builder } from '../../graph/builder.ts';

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
    model: t.string({
      description: 'The model for this answer, instead of that of the conversation: one of `Query.models`.',
    }),
    temperature: t.float({ description: 'Randomness, 0 to 2. Models that reason ignore it.' }),
    maxTokens: t.int({ description: "Tokens of the answer at the most: 1 to the model's `maxOutputTokens`." }),
    topP: t.float({ description: 'Nucleus sampling, 0 to 1.' }),
    frequencyPenalty: t.float({ description: '-2 to 2.' }),
    presencePenalty: t.float({ description: '-2 to 2.' }),
    responseFormat: t.field({
      type: 'JSON',
      description:
        'A JSON Schema of an object that the answer must be: checked, and given as a DataPart named by its `title`. ' +
        'At most 16 KiB, without `pattern` and references to elsewhere. An answer that does not fit is asked for ' +
        'once more; after that the turn fails.',
    }),
    tools: t.stringList({
      description:
        'Names of the tools that the model may call; [] for none. Without it the model may call all that the ' +
        'installation has.',
    }),
    toolChoice: t.field({ type: ToolChoiceInput, description: 'Whether the model may, must or must not call tools.' }),
    stop: t.stringList({ description: 'Up to 4 sequences that end the answer, 1 to 100 characters each.' }),
  }),
});
