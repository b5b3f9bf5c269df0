import type { TotalsRecord } from '../../contracts/turn-event.ts';
import { builder } from '../../graph/builder.ts';
import { charged } from '../../graph/charged.ts';
import { costs } from '../../graph/limits/list-cost.ts';
import { connectionOf, parsePage, toPage } from '../../graph/lists/paging.ts';
import { orderKey } from '../../graph/lists/window.ts';
import { present } from '../../graph/loaders.ts';
import { findNodes, globalId, Node } from '../../graph/node.ts';
import { idKey } from '../../kernel/cursor.ts';
import { findUser } from '../accounts/index.ts';
import { findOwn } from '../conversations/index.ts';
import { UsageKind, UsageSource } from './enums.ts';
import { noTotals } from './usage-store.ts';

const average = (sum: number, { requests }: TotalsRecord): number => (requests === 0 ? 0 : sum / requests);

export const UsageTotals = builder.objectRef<TotalsRecord>('UsageTotals').implement({
  description: 'Sums over rows of the ledger.',
  fields: (t) => ({
    inputTokens: t.field({
      type: 'BigInt',
      description: 'Tokens of the prompts.',
      resolve: ({ inputTokens }) => inputTokens,
    }),
    outputTokens: t.field({
      type: 'BigInt',
      description: 'Tokens of the answers.',
      resolve: ({ outputTokens }) => outputTokens,
    }),
    totalTokens: t.field({
      type: 'BigInt',
      description: 'Tokens of prompt and answer together.',
      resolve: ({ totalTokens }) => totalTokens,
    }),
    costUsd: t.field({
      type: 'Decimal',
      description: 'US dollars, over the calls whose price is known.',
      resolve: ({ costUsd }) => costUsd,
    }),
    requests: t.exposeInt('requests', { description: 'How many calls.' }),
    unpricedRequests: t.exposeInt('unpricedRequests', {
      description: 'How many of them have no known price and are not in `costUsd`.',
    }),
    averageTokensPerRequest: t.float({
      description: 'Tokens of one call; 0 where there was none.',
      resolve: (totals) => average(totals.totalTokens, totals),
    }),
    averageCostPerRequest: t.field({
      type: 'Decimal',
      description: 'US dollars of one call whose price is known; 0 where there was none.',
      resolve: ({ costUsd, requests, unpricedRequests }) =>
        (requests > unpricedRequests ? Number(costUsd) / (requests - unpricedRequests) : 0).toFixed(6),
    }),
    averageInputTokens: t.float({
      description: 'Prompt tokens of one call.',
      resolve: (totals) => average(totals.inputTokens, totals),
    }),
    averageOutputTokens: t.float({
      description: 'Tokens of the answer of one call.',
      resolve: (totals) => average(totals.outputTokens, totals),
    }),
  }),
});

const Usage = builder.prismaObject('Usage', {
  description: 'One call of a provider: what it used and cost. Never changed.',
  interfaces: [Node],
  fields: (t) => ({
    id: t.id(globalId('Usage')),
    user: t.field({
      type: 'User',
      nullable: true,
      description: 'The user for whom the call was made; null when the account was deleted.',
      resolve: ({ userId }, _args, { db }) => (userId ? findUser(db, userId) : null),
    }),
    conversation: t.field({
      type: 'Conversation',
      nullable: true,
      description: 'The conversation for which it was made; null when that was deleted.',
      resolve: ({ conversationId }, _args, { db, viewer }) =>
        conversationId ? findOwn(db, viewer, conversationId) : null,
    }),
    message: t.field({
      type: 'Message',
      nullable: true,
      description: 'The message that it wrote.',
      resolve: ({ messageId }, _args, { loaders }) => (messageId ? loaders.messageRows.load(messageId) : null),
    }),
    sessionId: t.exposeString('sessionId', {
      nullable: true,
      description: 'The `sessionId` of the conversation, kept when that is deleted.',
    }),
    kind: t.field({ type: UsageKind, description: 'The purpose of the call.', resolve: ({ kind }) => kind }),
    source: t.field({ type: UsageSource, description: 'Who counted the tokens.', resolve: ({ source }) => source }),
    provider: t.exposeString('provider', { description: 'The provider.' }),
    model: t.exposeString('model', { description: 'The model that was called.' }),
    inputTokens: t.exposeInt('inputTokens', { description: 'Tokens of the prompt, cached ones included.' }),
    cachedInputTokens: t.exposeInt('cachedInputTokens', { description: "Of these, read from the provider's cache." }),
    cacheWriteTokens: t.exposeInt('cacheWriteTokens', { description: "Of these, written to the provider's cache." }),
    outputTokens: t.exposeInt('outputTokens', { description: 'Tokens of the answer, reasoning included.' }),
    reasoningTokens: t.exposeInt('reasoningTokens', { description: 'Of these, spent on reasoning.' }),
    totalTokens: t.exposeInt('totalTokens', { description: 'Prompt and answer together.' }),
    costUsd: t.field({
      type: 'Decimal',
      description:
        'US dollars, rounded to the micro-dollar. Where no price is known it counts as "0.000000" here and in sums; ' +
        '`isPriced` tells.',
      resolve: ({ costUsd }) => costUsd?.toFixed(6) ?? '0.000000',
    }),
    isPriced: t.boolean({
      description: 'Whether the price of the model is known. It is never guessed.',
      resolve: ({ costUsd }) => costUsd !== null,
    }),
    requestId: t.exposeString('requestId', {
      nullable: true,
      description: "The provider's id of the request, for its support.",
    }),
    responseTimeMs: t.exposeInt('responseTimeMs', {
      nullable: true,
      description: 'Milliseconds from the request to its end.',
    }),
    metadata: t.field({
      type: 'JSON',
      description: 'Labels of the application, as JSON.',
      resolve: charged(({ id }, _args, { loaders }) => loaders.usageMetadata.load(id)),
    }),
    createdAt: t.field({
      type: 'DateTime',
      description: 'When it was recorded.',
      resolve: ({ createdAt }) => createdAt,
    }),
  }),
});

findNodes('Usage', (ids, { db, viewer }) => db.usage.findMany({ where: { id: { in: ids }, userId: viewer.userId } }));

const Totals = connectionOf('Usage', Usage, (t) => ({
  totals: t.field({
    type: UsageTotals,
    description: 'Sums over the whole list, not only this page.',
    resolve: ({ totals }) => totals!() as Promise<TotalsRecord>,
  }),
}));

const list = 'usage';

builder.prismaObjectField('Conversation', 'usage', (t) =>
  t.field({
    type: Totals,
    extensions: costs({ length: 5 }),
    description: 'The usage and cost of each call made for this conversation, the newest first.',
    args: {
      first: t.arg.int({ description: 'How many from the start: 1 to 100; 20 when nothing is said.' }),
      after: t.arg.string({ description: 'Only what comes after this cursor.' }),
    },
    resolve: async ({ id }, args, { loaders }) => {
      const page = parsePage(list, args, [idKey]);
      const rows = await present(loaders.usageRows, await loaders.usage.load({ parentId: id, page }));
      const count = () => loaders.usageCount.load({ parentId: id });
      const totals = async () => (await loaders.conversationTotals.load(id)) ?? noTotals;
      return { ...toPage(page, rows, { list, keysOf: (row) => orderKey(row.id), count }), totals };
    },
  }),
);
