import type { ObjectFieldBuilder } from '@pothos/core';
import type { Types } from '../../graph/builder.ts';
import { charged } from '../../graph/charged.ts';
import { present } from '../../graph/loaders.ts';
import { toGlobalId } from '../../kernel/global-id.ts';
import { WidgetPart } from '../messages/graph.ts';
import { Approval, ToolCall } from '../tools/graph.ts';
import { eventType, message, messageId, turn } from './kit-types.ts';

const toolCall = <T extends { body: { toolCallId: string } }>(t: ObjectFieldBuilder<Types, T>) =>
  t.field({
    type: ToolCall,
    description: 'The call as it is now.',
    resolve: async ({ body }, _args, { loaders }) => (await loaders.toolCallRows.load(body.toolCallId))!,
  });

const toolCallId = <T extends { body: { toolCallId?: string } }>(t: ObjectFieldBuilder<Types, T>) =>
  t.id({ description: 'The call.', resolve: ({ body }) => toGlobalId('ToolCall', body.toolCallId!) });

const approval = <T extends { body: { approvalId: string } }>(t: ObjectFieldBuilder<Types, T>) =>
  t.field({
    type: Approval,
    description: 'The approval as it is now.',
    resolve: async ({ body }, _args, { loaders }) => (await loaders.approvalRows.load(body.approvalId))!,
  });

const partIndex = 'Index of the part in the message.';

const argumentsDelta = <
  T extends { body: { messageId: string; partIndex: number; offset: number; text: string; toolCallId?: string } },
>(
  t: ObjectFieldBuilder<Types, T>,
) => ({
  messageId: messageId(t),
  partIndex: t.int({ description: partIndex, resolve: ({ body }) => body.partIndex }),
  toolCallId: toolCallId(t),
  offset: t.int({ description: 'UTF-16 units of the arguments before this text.', resolve: ({ body }) => body.offset }),
  text: t.string({
    description: 'The text. Never begins or ends inside a surrogate pair.',
    resolve: ({ body }) => body.text,
  }),
});

/** What happens with tools, and with those who are asked about them. */
export const toolEvents = [
  eventType(
    'tool-call-started',
    'ToolCallStartedEvent',
    'The model begins to call a tool. A ToolCallPart comes into being; its arguments follow.',
    (t) => ({
      messageId: messageId(t),
      partIndex: t.int({ description: partIndex, resolve: ({ body }) => body.partIndex }),
      toolCall: toolCall(t),
    }),
  ),
  eventType(
    'arguments-delta',
    'ToolArgumentsDeltaEvent',
    'More of the arguments of a call, as the model writes them: JSON, when they are whole.',
    argumentsDelta,
  ),
  eventType(
    'tool-started',
    'ToolExecutionStartedEvent',
    'A tool is being run; run again, where its worker was lost.',
    (t) => ({
      toolCall: toolCall(t),
    }),
  ),
  eventType('tool-progress', 'ToolProgressEvent', 'A tool reports its progress.', (t) => ({
    toolCallId: toolCallId(t),
    progress: t.float({ nullable: true, description: 'A share from 0 to 1.', resolve: ({ body }) => body.progress }),
    message: t.string({
      nullable: true,
      description: 'A text for people.',
      resolve: charged(({ body }) => body.message),
    }),
    data: t.field({
      type: 'JSON',
      nullable: true,
      description: 'Further data of the tool.',
      resolve: charged(({ body }) => body.data),
    }),
  })),
  eventType(
    'tool-finished',
    'ToolExecutionFinishedEvent',
    'A call has come to its end, whether it was made or not. A ToolResultPart comes into being, unless the call was ' +
      'taken back.',
    (t) => ({
      messageId: messageId(t),
      resultIndex: t.int({
        nullable: true,
        description: 'Index of the result in the message; null where it has none.',
        resolve: ({ body }) => body.partIndex,
      }),
      toolCall: toolCall(t),
    }),
  ),
  eventType(
    'widget-displayed',
    'WidgetDisplayedEvent',
    'A tool shows a widget, such as a form or a card: a WidgetPart is added.',
    (t) => ({
      messageId: messageId(t),
      widget: t.field({
        type: WidgetPart,
        description: 'The widget, with its place in the message.',
        resolve: ({ body: { messageId: id, partIndex: index, widgetType, data } }) => ({
          type: 'widget' as const,
          messageId: id,
          index,
          widgetType,
          data,
        }),
      }),
    }),
  ),
  eventType(
    'approval-requested',
    'ApprovalRequestedEvent',
    'A call of a tool needs the approval of a person.',
    (t) => ({ approval: approval(t) }),
  ),
  eventType(
    'approval-decided',
    'ApprovalDecidedEvent',
    'An approval was decided, expired, or is not needed any more.',
    (t) => ({
      approval: approval(t),
    }),
  ),
  eventType(
    'turn-steered',
    'TurnSteeredEvent',
    'Text that was sent to a running turn (`steerTurn`): whether the turn has read it.',
    (t) => ({
      message: message(t),
      consumed: t.boolean({
        description:
          'True: the turn goes on with it, and no turn of its own answers it. False: the turn has ended, and its ' +
          'own turn is next.',
        resolve: ({ body }) => body.consumed,
      }),
    }),
  ),
  eventType(
    'turn-waiting',
    'TurnWaitingEvent',
    'A turn waits for people or clients, and holds no worker meanwhile.',
    (t) => ({
      turn: turn(t),
      approvals: t.field({
        type: [Approval],
        description: 'The approvals that the turn waits for.',
        resolve: ({ body }, _args, { loaders }) => present(loaders.approvalRows, body.approvalIds),
      }),
      clientTools: t.field({
        type: [ToolCall],
        description: 'What a client is to run, and to submit the output of (`submitToolOutputs`).',
        resolve: ({ body }, _args, { loaders }) => present(loaders.toolCallRows, body.toolCallIds),
      }),
    }),
  ),
];
