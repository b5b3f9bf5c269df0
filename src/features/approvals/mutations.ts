import { builder } from '../../graph/builder.ts';
import type { Context } from '../../graph/context.ts';
import { refusal } from '../../graph/error-types.ts';
import { idOf } from '../../graph/ids.ts';
import { present } from '../../graph/loaders.ts';
import { resultUnion } from '../../graph/results.ts';
import { ApprovalStaleError, ForbiddenError, NotFoundError, ValidationError } from '../../kernel/errors.ts';
import { Approval } from '../tools/graph.ts';
import { Turn, TurnResult } from '../turns/graph.ts';
import { readTurnRow } from '../turns/index.ts';

const DecisionInput = builder.inputType('DecisionInput', {
  description: 'The decision about one call of a tool.',
  isOneOf: true,
  fields: (t) => ({
    approve: t.boolean({ description: 'true: it may be made with the arguments that are shown.' }),
    deny: t.boolean({ description: 'true: it may not be made; the model is told.' }),
    approveWithArguments: t.field({
      type: 'JSON',
      description: 'It may be made with these arguments instead, which the tool must take; the model is told.',
    }),
  }),
});

const ApprovalDecisionInput = builder.inputType('ApprovalDecisionInput', {
  description: 'A decision about a call of a tool.',
  fields: (t) => ({
    approvalId: t.id({ required: true, description: 'Global id of the approval.' }),
    argumentsSha256: t.string({
      required: true,
      description:
        '`Approval.argumentsSha256` of what was shown to whoever decides: a decision about anything else is refused.',
    }),
    decision: t.field({ type: DecisionInput, required: true, description: 'The decision.' }),
    reason: t.string({ description: 'Why, for the model and for the record; at most 1,000 characters.' }),
  }),
});

const ToolOutputValue = builder.inputType('ToolOutputValue', {
  description: 'The output of a tool that a client ran.',
  isOneOf: true,
  fields: (t) => ({
    result: t.field({ type: 'JSON', description: 'What the tool gave; at most 64 KiB as JSON.' }),
    error: t.string({ description: 'The error, as the model is shown it; at most 2,000 characters.' }),
  }),
});

const ToolOutputInput = builder.inputType('ToolOutputInput', {
  description: 'The output of one call that a client made.',
  fields: (t) => ({
    toolCallId: t.id({ required: true, description: 'Global id of the call.' }),
    output: t.field({ type: ToolOutputValue, required: true, description: 'The result of the tool, or its error.' }),
  }),
});

builder.objectType(ApprovalStaleError, {
  ...refusal(ApprovalStaleError),
  description: 'The decision came too late, or is about other arguments than those that are asked for.',
  fields: (t) => ({
    current: t.field({
      type: Approval,
      description: 'The approval as it is now.',
      resolve: async ({ approvalId }, _args, { loaders }) => (await loaders.approvalRows.load(approvalId))!,
    }),
  }),
});

type Decided = { turnId: string; approvalIds: string[]; resumed: boolean };

const ApprovalSuccess = builder.objectRef<Decided>('ApprovalSuccess').implement({
  description: 'A decision was made.',
  fields: (t) => ({
    approvals: t.field({
      type: [Approval],
      description: 'What was decided about, in the order of the request.',
      resolve: ({ approvalIds }, _args, { loaders }) => present(loaders.approvalRows, approvalIds),
    }),
    turn: t.field({
      type: Turn,
      description: 'The turn that made the call.',
      resolve: ({ turnId }, _args, { db }: Context) => readTurnRow(db, turnId),
    }),
    resumed: t.exposeBoolean('resumed', {
      description: 'Whether the turn goes on, because no decision is open any more.',
    }),
  }),
});

const ApprovalResult = resultUnion('ApprovalResult', {
  description: 'The approvals that were decided, or the reason why none was.',
  success: ApprovalSuccess,
  errors: [ValidationError, NotFoundError, ForbiddenError, ApprovalStaleError],
});

builder.mutationFields((t) => ({
  decideApprovals: t.field({
    type: ApprovalResult.type,
    description:
      'Approves or denies calls of tools. All decisions must be about one turn, and all of them hold, or none. ' +
      'Sending it twice has the effect of once.',
    args: {
      decisions: t.arg({ type: [ApprovalDecisionInput], required: true, description: 'The decisions: 1 to 50.' }),
    },
    resolve: (_root, { decisions }, context) =>
      ApprovalResult.run(context, ({ viewer, services }) =>
        services.decisions.decide(
          viewer,
          decisions.map(({ approvalId, ...decision }, index) => ({
            ...decision,
            approvalId: idOf('Approval', approvalId, `decisions.${index}.approvalId`),
            givenId: approvalId,
          })),
        ),
      ),
  }),
  submitToolOutputs: t.field({
    type: TurnResult.type,
    description:
      'Submits the outputs of tools that the client ran. The turn goes on when the last output was submitted. ' +
      'Sending it twice has the effect of once.',
    args: {
      turnId: t.arg.id({ required: true, description: 'Global id of the turn that waits.' }),
      outputs: t.arg({ type: [ToolOutputInput], required: true, description: 'The outputs: 1 to 100.' }),
    },
    resolve: (_root, { turnId, outputs }, context) =>
      TurnResult.run(context, ({ viewer, services }) =>
        services.outputs.submit(
          viewer,
          { turnId: idOf('Turn', turnId, 'turnId'), givenId: turnId },
          outputs.map(({ toolCallId, output }, index) => ({
            ...{ output, givenId: toolCallId },
            toolCallId: idOf('ToolCall', toolCallId, `outputs.${index}.toolCallId`),
          })),
        ),
      ),
  }),
}));
