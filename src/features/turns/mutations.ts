import { builder } from '../../graph/builder.ts';
import { idOf } from '../../graph/ids.ts';
import { ValidationError } from '../../kernel/errors.ts';
import { contentIn } from '../messages/graph.ts';
import type { Admitted } from './admission/once.ts';
import type { SendMessage } from './admission/send.ts';
import {
  defaultWaitMs,
  EditMessageInput,
  RegenerateInput,
  SendMessageInput,
  SteerTurnInput,
  StopTurnInput,
} from './inputs.ts';
import { SendMessageResult, type Started, TurnResult } from './results.ts';

const started = ({ logStart, ...turn }: Admitted, waitTimedOut = false): Started => ({
  from: logStart,
  waitTimedOut,
  ...turn,
});

type Sending = typeof SendMessageInput.$inferInput;

function requestOf({ conversation, content, idempotencyKey, generation, parentId, whenBusy }: Sending): SendMessage {
  return {
    conversation: conversation.id == null ? { new: conversation.new ?? {} } : existing(conversation.id),
    content: contentIn(content),
    idempotencyKey,
    generation: generation ?? {},
    // What is left out, or is said without need, is no part of the request: it must not tell two of them apart.
    ...(parentId == null ? {} : { parentId: idOf('Message', parentId, 'input.parentId') }),
    ...(whenBusy == null || whenBusy === 'ENQUEUE' ? {} : { whenBusy }),
  };
}

const existing = (givenId: string) => ({ id: idOf('Conversation', givenId, 'input.conversation.id'), givenId });

builder.mutationFields((t) => ({
  sendMessage: t.field({
    type: SendMessageResult.type,
    description:
      'Sends a message. A worker gets it answered, whether or not anybody watches. Where a turn of the conversation ' +
      'is running, the message waits in the queue.',
    args: {
      input: t.arg({
        type: SendMessageInput,
        required: true,
        description: 'The message, its conversation, and how to answer.',
      }),
    },
    resolve: (_root, { input }, context) =>
      SendMessageResult.run(context, async ({ viewer, services: { turns }, signal }) => {
        const { waitFor, timeoutMs } = input;
        const wait = timeoutMs ?? defaultWaitMs;
        turns.checkWait(wait);
        const admitted = await turns.send(viewer, requestOf(input));
        return started(admitted, waitFor === 'FINISHED' && !(await turns.finished(admitted.turnId, wait, signal)));
      }),
  }),
  regenerate: t.field({
    type: SendMessageResult.type,
    description:
      'Writes another answer to a message. The new answer begins a new branch, which is shown from now on; the old ' +
      'one stays.',
    args: {
      input: t.arg({
        type: RegenerateInput,
        required: true,
        description: 'Which answer, and how to make the new one.',
      }),
    },
    resolve: (_root, { input: { messageId, idempotencyKey, generation } }, context) =>
      SendMessageResult.run(context, async ({ viewer, services: { turns } }) => {
        const target = { messageId: idOf('Message', messageId, 'input.messageId'), givenId: messageId };
        return started(await turns.regenerate(viewer, { ...target, idempotencyKey, generation: generation ?? {} }));
      }),
  }),
  editMessage: t.field({
    type: SendMessageResult.type,
    description:
      'Edits a message of the user. The new text begins a new branch; the earlier message and all that followed it ' +
      'stay on theirs.',
    args: {
      input: t.arg({ type: EditMessageInput, required: true, description: 'Which message, and what it says instead.' }),
    },
    resolve: (_root, { input: { messageId, content, idempotencyKey, rerun, generation } }, context) =>
      SendMessageResult.run(context, async ({ viewer, services: { turns } }) => {
        const target = { messageId: idOf('Message', messageId, 'input.messageId'), givenId: messageId };
        const request = {
          content: contentIn(content),
          rerun: rerun ?? true,
          idempotencyKey,
          generation: generation ?? {},
        };
        return started(await turns.edit(viewer, { ...target, ...request }));
      }),
  }),
  steerTurn: t.field({
    type: TurnResult.type,
    description:
      'Sends text to a turn that is running. The model reads it before its next step, once its tools are done ' +
      '(TurnSteeredEvent); where there is no further step, another turn answers it.',
    args: { input: t.arg({ type: SteerTurnInput, required: true, description: 'The turn, and the text for it.' }) },
    resolve: (_root, { input: { turnId, content, idempotencyKey } }, context) =>
      TurnResult.run(context, ({ viewer, services: { turns } }) =>
        turns.steer(viewer, {
          turnId: idOf('Turn', turnId, 'input.turnId'),
          givenId: turnId,
          content: contentIn(content),
          idempotencyKey,
        }),
      ),
  }),
  stopTurn: t.field({
    type: TurnResult.type,
    description:
      'Stops a turn, wherever it runs, and aborts the request to the model. Answers with the settled turn; ' +
      'where its worker takes more than a few seconds, with the turn as it is.',
    args: { input: t.arg({ type: StopTurnInput, required: true, description: 'Which turn, and what to keep.' }) },
    resolve: (_root, { input: { target, seen, keepPartial, clearQueue } }, context) =>
      TurnResult.run(context, ({ viewer, services: { turns }, signal }) => {
        const what =
          target.turnId == null
            ? {
                conversationId: idOf('Conversation', target.conversationId!, 'input.target.conversationId'),
                givenId: target.conversationId!,
              }
            : { turnId: idOf('Turn', target.turnId, 'input.target.turnId'), givenId: target.turnId };
        if (seen && (seen.length < 0 || seen.partIndex < 0))
          throw ValidationError.of('input.seen', 'length and partIndex must not be negative');
        const position = seen ? { ...seen, messageId: idOf('Message', seen.messageId, 'input.seen.messageId') } : null;
        return turns.stop(
          viewer,
          {
            target: what,
            request: { keepPartial: keepPartial ?? true, seen: position },
            clearQueue: clearQueue ?? false,
          },
          signal,
        );
      }),
  }),
  cancelQueuedTurn: t.field({
    type: TurnResult.type,
    description: 'Cancels a turn that waits for its turn in the queue. Its message stays; turns after it move up.',
    args: { turnId: t.arg.id({ required: true, description: 'Global id of the turn.' }) },
    resolve: (_root, { turnId }, context) =>
      TurnResult.run(context, ({ viewer, services: { turns } }) =>
        turns.cancelQueued(viewer, idOf('Turn', turnId, 'turnId'), turnId),
      ),
  }),
  retryTurn: t.field({
    type: TurnResult.type,
    description:
      'Runs the newest turn of a conversation again, if it failed or was stopped: a new turn for the same message, ' +
      'whose answer takes the place of the old one.',
    args: {
      turnId: t.arg.id({ required: true, description: 'Global id of the failed turn.' }),
      idempotencyKey: t.arg.string({
        required: true,
        description: 'Made by the client, 1 to 255 characters; the same key never retries twice.',
      }),
    },
    resolve: (_root, { turnId, idempotencyKey }, context) =>
      TurnResult.run(context, async ({ viewer, services: { turns } }) =>
        started(await turns.retry(viewer, { turnId: idOf('Turn', turnId, 'turnId'), givenId: turnId, idempotencyKey })),
      ),
  }),
}));
