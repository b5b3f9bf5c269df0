import type { ContextItem as Item, ContextReport as Report } from '../../contracts/context.ts';
import { builder } from '../../graph/builder.ts';
import { charged } from '../../graph/charged.ts';
import { costs } from '../../graph/limits/list-cost.ts';
import { priceOf } from '../usage/index.ts';

const ContextDecision = builder.enumType('ContextDecision', {
  description: 'Whether a message is part of the prompt, and why not.',
  values: {
    INCLUDED: { description: 'The model is shown it.' },
    SUMMARISED: { description: 'A summary stands for it.' },
    DROPPED: { description: 'The model is not shown it.' },
    INJECTED: { description: 'It is not a message of the conversation; it was added from elsewhere.' },
  },
});

const ContextItem = builder.objectRef<Item>('ContextItem').implement({
  description: 'One message that was looked at for a prompt.',
  fields: (t) => ({
    message: t.field({
      type: 'Message',
      nullable: true,
      description: 'The message; null for a draft, which is none yet.',
      resolve: ({ messageId }, _args, { loaders }) => (messageId ? loaders.messageRows.load(messageId) : null),
    }),
    decision: t.field({
      type: ContextDecision,
      description: 'Whether the message is part of the prompt, and why not.',
      resolve: ({ decision }) => decision,
    }),
    tokens: t.exposeInt('tokens', { description: 'Its tokens, as they were counted when it was stored.' }),
    reason: t.string({ description: 'Why, for a person.', resolve: charged(({ reason }) => reason) }),
  }),
});

export const ContextReport = builder.objectRef<Report>('ContextReport').implement({
  description: 'What a model is shown of a conversation, and why.',
  fields: (t) => ({
    systemPrompt: t.string({
      description: 'The instructions that precede everything; empty where there are none.',
      resolve: charged(({ systemPrompt }) => systemPrompt),
    }),
    items: t.field({
      type: [ContextItem],
      extensions: costs({ length: 100 }),
      description:
        'The newest messages of the branch, the oldest of them first: at most as many as a model may be shown ' +
        '(`MAX_CONTEXT_MESSAGES`).',
      resolve: ({ items }) => items,
    }),
    totalTokens: t.exposeInt('totalTokens', { description: 'Tokens of the whole prompt, as we count them.' }),
    limit: t.exposeInt('limit', { description: 'How many there may be beside the answer.' }),
    tokenizer: t.string({ description: 'How tokens are counted.', resolve: () => 'o200k_base' }),
    toolSchemasTokens: t.exposeInt('toolSchemasTokens', { description: 'Tokens of the descriptions of tools in it.' }),
    estimatedCost: t.field({
      type: 'Decimal',
      description:
        'What the prompt costs in US dollars at the list price, without its answer; "0.000000" where no price is ' +
        'known.',
      resolve: ({ provider, model, totalTokens: inputTokens }) =>
        priceOf({ provider, model, usage: { ...noUsage, inputTokens } }) ?? '0.000000',
    }),
  }),
});

const noUsage = { inputTokens: 0, cachedInputTokens: 0, cacheWriteTokens: 0, outputTokens: 0, reasoningTokens: 0 };
