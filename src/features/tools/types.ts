import { builder } from '../../graph/builder.ts';
import { charged } from '../../graph/charged.ts';
import { costs } from '../../graph/limits/list-cost.ts';
import { defaultPageSize } from '../../graph/lists/page-size.ts';
import { connectionOf } from '../../graph/lists/paging.ts';
import { present } from '../../graph/loaders.ts';
import { findNodes, globalId, Node } from '../../graph/node.ts';
import type { Rows } from '../../graph/rows.ts';
import { findUser } from '../accounts/index.ts';
import { readConversation } from '../conversations/graph.ts';
import { visibleTo } from '../conversations/index.ts';
import { ApprovalStatus, Risk, ToolCallStatus } from './enums.ts';
import { toolsRun } from './rules.ts';

export const ToolCall = builder.interfaceType('ToolCall', {
  description: 'A call of a tool that a model asked for.',
  interfaces: [Node],
  resolveType: () => 'GenericToolCall',
  fields: (t) => ({
    id: t.id(globalId('ToolCall')),
    callId: t.exposeString('callId', { description: 'The id by which the model knows the call.' }),
    toolName: t.exposeString('toolName', { description: 'What was called, as the model wrote it.' }),
    argumentsJson: t.field({
      type: 'JSON',
      nullable: true,
      description: 'The arguments; null while they are not whole, and where they are no JSON object.',
      resolve: charged(async ({ contents }) => (await contents.get()).arguments),
    }),
    argumentsText: t.string({
      description: 'The arguments as the model wrote them; empty until they are whole.',
      resolve: charged(async ({ contents }) => (await contents.get()).argumentsText),
    }),
    status: t.field({ type: ToolCallStatus, description: 'Its status.', resolve: ({ status }) => status }),
    resultJson: t.field({
      type: 'JSON',
      nullable: true,
      description: 'What the tool gave; null where there is nothing.',
      resolve: charged(async ({ contents }) => (await contents.get()).result),
    }),
    errorMessage: t.string({
      nullable: true,
      description: 'The error that the model was shown instead of a result; null where there was none.',
      resolve: charged(async ({ contents }) => (await contents.get()).errorMessage),
    }),
    executionTimeMs: t.int({
      nullable: true,
      description: 'Milliseconds from its first run to its end; null where it did not run.',
      resolve: ({ startedAt, finishedAt }) =>
        startedAt && finishedAt ? finishedAt.getTime() - startedAt.getTime() : null,
    }),
    attempts: t.exposeInt('attempts', {
      description: 'How often the tool was begun for this call: more than once where a worker was lost.',
    }),
    approval: t.field({
      type: Approval,
      nullable: true,
      description: 'The approval that the call needed; null where it needed none.',
      // What is asked is about arguments; who was given none yet must not be given the question.
      resolve: ({ id, status }, _args, { loaders }) =>
        status === 'STREAMING_ARGUMENTS' ? null : loaders.callApproval.load(id),
    }),
    message: t.field({
      type: 'Message',
      nullable: true,
      description: 'The answer that it is part of.',
      resolve: ({ messageId }, _args, { loaders }) => loaders.messageRows.load(messageId),
    }),
    startedAt: t.field({
      type: 'DateTime',
      nullable: true,
      description: 'When it was first begun.',
      resolve: ({ startedAt }) => startedAt,
    }),
    finishedAt: t.field({
      type: 'DateTime',
      nullable: true,
      description: 'When it ended.',
      resolve: ({ finishedAt }) => finishedAt,
    }),
  }),
});

builder.objectRef<Rows['ToolCall']>('GenericToolCall').implement({
  description: 'A call of any tool.',
  interfaces: [Node, ToolCall],
  isTypeOf: (value) => typeof value === 'object' && value !== null && 'toolName' in value,
});

findNodes(
  'ToolCall',
  async (ids, { db, viewer, loaders }) => {
    const visible = await db.toolCall.findMany({
      where: { id: { in: ids }, message: { conversation: visibleTo(viewer) } },
      select: { id: true },
    });
    return present(
      loaders.toolCallRows,
      visible.map(({ id }) => id),
    );
  },
  'GenericToolCall',
);

export const Approval = builder.prismaObject('Approval', {
  description:
    'An approval: a person must decide whether a tool may be called with these arguments. The turn waits for it, ' +
    'and occupies no worker meanwhile.',
  interfaces: [Node],
  fields: (t) => ({
    id: t.id(globalId('Approval')),
    toolCall: t.field({
      type: 'ToolCall',
      description: 'The call, with its arguments.',
      resolve: async ({ toolCallId }, _args, { loaders }) => (await loaders.toolCallRows.load(toolCallId))!,
    }),
    conversation: t.field({
      type: 'Conversation',
      description: 'The conversation of the approval.',
      resolve: ({ conversationId }, _args, context, info) => readConversation(context, conversationId, info),
    }),
    status: t.field({ type: ApprovalStatus, description: 'Its status.', resolve: ({ status }) => status }),
    summary: t.string({
      description: 'What the call would do, in words for the person who decides.',
      resolve: charged(({ summary }) => summary),
    }),
    risk: t.field({ type: Risk, description: 'How much harm it can do.', resolve: ({ risk }) => risk }),
    argumentsSha256: t.exposeString('argumentsSha256', {
      description:
        'SHA-256 of the arguments, as JSON with sorted keys, in hex. A decision must name it: what was not shown ' +
        'cannot be allowed.',
    }),
    editedArguments: t.field({
      type: 'JSON',
      nullable: true,
      description: 'The arguments that the person put in place of those of the model; null where there are none.',
      resolve: charged(({ id }, _args, { loaders }) => loaders.editedArguments.load(id)),
    }),
    requestedAt: t.field({
      type: 'DateTime',
      description: 'When it was asked.',
      resolve: ({ requestedAt }) => requestedAt,
    }),
    expiresAt: t.field({
      type: 'DateTime',
      nullable: true,
      description: 'When the approval expires.',
      resolve: ({ expiresAt }) => expiresAt,
    }),
    decidedAt: t.field({
      type: 'DateTime',
      nullable: true,
      description: 'When it was decided.',
      resolve: ({ decidedAt }) => decidedAt,
    }),
    decidedBy: t.field({
      type: 'User',
      nullable: true,
      description: 'Who decided; null where nobody did.',
      resolve: ({ decidedById }, _args, { db }) => (decidedById ? findUser(db, decidedById) : null),
    }),
    reason: t.string({
      nullable: true,
      description: 'Why, in the words of whoever decided; the model is told.',
      resolve: charged(({ reason }) => reason),
    }),
  }),
});

findNodes('Approval', (ids, { db, viewer }) =>
  db.approval.findMany({ where: { id: { in: ids }, conversation: visibleTo(viewer) } }),
);

export const ApprovalConnection = connectionOf('Approval', Approval);

builder.prismaObjectField('Conversation', 'pendingApprovals', (t) =>
  t.field({
    type: [Approval],
    extensions: costs({ length: defaultPageSize }),
    description: 'Pending approvals of this conversation, the oldest first; the first 100.',
    resolve: async ({ id }, _args, { loaders }) => (await loaders.pendingApprovals.load(id)) ?? [],
  }),
);

builder.prismaObjectFields('Message', (t) => ({
  toolCalls: t.field({
    type: ['ToolCall'],
    description: 'What the model called in this answer, in order, also what it began and took back.',
    resolve: async ({ id }, _args, { loaders }) => (await loaders.messageCalls.load(id)) ?? [],
  }),
  toolsExecuted: t.stringList({
    description: 'Names of the tools that ran for this message.',
    resolve: charged(async ({ id }, _args, { loaders }) => toolsRun((await loaders.messageCalls.load(id)) ?? [])),
  }),
}));
