import type { ErrorRecord } from '../../contracts/turn-event.ts';
import { isTerminal } from '../../engine/index.ts';
import { builder } from '../../graph/builder.ts';
import { charged } from '../../graph/charged.ts';
import { ApiError, asData } from '../../graph/error-types.ts';
import { connectionOf } from '../../graph/lists/paging.ts';
import { findNodes, globalId, Node } from '../../graph/node.ts';
import { readConversation } from '../conversations/graph.ts';
import { visibleTo } from '../conversations/index.ts';
import { FinishReason } from '../messages/graph.ts';
import { toolsRun } from '../tools/index.ts';
import { UsageTotals } from '../usage/graph.ts';
import { noTotals } from '../usage/index.ts';
import { TurnStatus, TurnTrigger } from './enums.ts';
import { fromRecord } from './errors.ts';

export const Turn = builder.prismaObject('Turn', {
  description: 'One question and its answer: admitted durably, run by one worker at a time, ended exactly once.',
  interfaces: [Node],
  fields: (t) => ({
    id: t.id(globalId('Turn')),
    conversation: t.field({
      type: 'Conversation',
      description: 'The conversation of the turn.',
      resolve: ({ conversationId }, _args, context, info) => readConversation(context, conversationId, info),
    }),
    trigger: t.field({ type: TurnTrigger, description: 'What began the turn.', resolve: ({ trigger }) => trigger }),
    status: t.field({ type: TurnStatus, description: 'Its status.', resolve: ({ status }) => status }),
    isTerminal: t.boolean({
      description: 'Whether it has ended; then it never changes.',
      resolve: ({ status }) => isTerminal(status),
    }),
    input: t.field({
      type: 'Message',
      nullable: true,
      description: 'The message that it answers.',
      resolve: ({ inputMessageId }, _args, { loaders }) =>
        inputMessageId ? loaders.messageRows.load(inputMessageId) : null,
    }),
    output: t.field({
      type: ['Message'],
      description: 'The messages that the turn wrote, in order.',
      resolve: async ({ id }, _args, { loaders }) => (await loaders.turnMessages.load(id)) ?? [],
    }),
    finalMessage: t.field({
      type: 'Message',
      nullable: true,
      description: 'Its answer, once the turn has ended; null where there is none.',
      resolve: async ({ id, status }, _args, { loaders }) =>
        isTerminal(status) ? ((await loaders.turnMessages.load(id))?.at(-1) ?? null) : null,
    }),
    toolsExecuted: t.stringList({
      description: 'Names of the tools that ran.',
      resolve: charged(async ({ id }, _args, { loaders }) => toolsRun((await loaders.turnCalls.load(id)) ?? [])),
    }),
    toolCalls: t.field({
      type: ['ToolCall'],
      description: 'What the model called, in order, also what it began and took back.',
      resolve: async ({ id }, _args, { loaders }) => (await loaders.turnCalls.load(id)) ?? [],
    }),
    idempotencyKey: t.exposeString('idempotencyKey', { description: 'The idempotency key that the client sent.' }),
    attempt: t.exposeInt('attempt', { description: 'Number of the present or last attempt; 0 while none was made.' }),
    queuePosition: t.int({
      nullable: true,
      description: 'How many unfinished turns of the conversation are before it; null when it does not wait.',
      resolve: async ({ id, status }, _args, { loaders }) =>
        status === 'QUEUED' ? await loaders.queuePosition.load(id) : null,
    }),
    finishReason: t.field({
      type: FinishReason,
      nullable: true,
      description: 'Why it ended; null while it has not.',
      resolve: (turn) => turn.finishReason,
    }),
    error: t.field({
      type: ApiError,
      nullable: true,
      description: 'Why it failed; null where it did not.',
      resolve: ({ error }) => (error ? asData(fromRecord(error as ErrorRecord)) : null),
    }),
    model: t.exposeString('model', { description: 'The model that answers.' }),
    provider: t.exposeString('provider', { description: 'Its provider.' }),
    usage: t.field({
      type: ['Usage'],
      description: 'Its rows of the ledger, one a call of the provider, in order.',
      resolve: async ({ id }, _args, { loaders }) => (await loaders.turnUsage.load(id)) ?? [],
    }),
    usageTotals: t.field({
      type: UsageTotals,
      description: 'Sums over its rows of the ledger.',
      resolve: async ({ id }, _args, { loaders }) => (await loaders.turnTotals.load(id)) ?? noTotals,
    }),
    createdAt: t.field({
      type: 'DateTime',
      description: 'When it was admitted.',
      resolve: ({ createdAt }) => createdAt,
    }),
    startedAt: t.field({
      type: 'DateTime',
      nullable: true,
      description: 'When a worker first claimed the turn.',
      resolve: ({ startedAt }) => startedAt,
    }),
    firstTokenAt: t.field({
      type: 'DateTime',
      nullable: true,
      description: 'When the first text of the answer that counts arrived; set when the turn ends.',
      resolve: ({ firstTokenAt }) => firstTokenAt,
    }),
    finishedAt: t.field({
      type: 'DateTime',
      nullable: true,
      description: 'When it ended.',
      resolve: ({ finishedAt }) => finishedAt,
    }),
  }),
});

findNodes('Turn', (ids, { db, viewer }) =>
  db.turn.findMany({ where: { id: { in: ids }, conversation: visibleTo(viewer) } }),
);

export const TurnConnection = connectionOf('Turn', Turn);

const turnOf = { type: Turn, nullable: true } as const;

builder.prismaObjectField('Message', 'turn', (t) =>
  t.field({
    ...turnOf,
    description: 'The turn that it began, or that wrote it.',
    resolve: ({ turnId }, _args, { db }) => (turnId ? db.turn.findUnique({ where: { id: turnId } }) : null),
  }),
);

builder.prismaObjectField('Usage', 'turn', (t) =>
  t.field({
    ...turnOf,
    description: 'The turn that made the call; null when it was deleted.',
    resolve: ({ turnId }, _args, { loaders }) => (turnId ? loaders.turnRows.load(turnId) : null),
  }),
);

builder.interfaceField('ToolCall', 'turn', (t) =>
  t.field({
    ...turnOf,
    description: 'The turn that asked for it; null where the conversation was copied.',
    resolve: ({ turnId }, _args, { loaders }) => (turnId ? loaders.turnRows.load(turnId) : null),
  }),
);
