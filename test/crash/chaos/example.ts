import { randomUUID } from 'node:crypto';
import { toGlobalId } from '../../../src/kernel/global-id.ts';
import type { FrameFragment } from '../../generated/graphql.ts';
import { createReader, sha256 } from '../../kit/reader.ts';
import type { Evidence, ToolCallRow } from './evidence.ts';
import type { TurnPlan } from './schedule.ts';
import { editedTime } from './tool-plans.ts';
import type { Watcher } from './watcher.ts';

const [turnId, conversationId, messageId, approvalId] = [randomUUID(), randomUUID(), randomUUID(), randomUUID()];
const [letterId, bookingId] = [randomUUID(), randomUUID()];
const at = new Date(1_700_000_000_000);
const text = 'Let me see, 1.word1 word2';
const letter = { topic: 'love' };
const booking = { topic: 'teeth', time: '10:30' };

const plan: TurnPlan = {
  ...{
    at: 0,
    key: 'agent',
    behaviour: 'honest',
    text: 'Book it',
    tokens: 2,
    parallel: 1,
    cutSendAfter: null,
    stopAfter: null,
  },
  tools: {
    rounds: [
      {
        said: 'Let me see, 1.',
        calls: [
          { tool: 'send_letter', arguments: letter },
          { tool: 'book_appointment', arguments: booking },
        ],
      },
    ],
    choices: ['edit', 'deny'],
    decideAfter: 0,
  },
};

const rowOf = (id: string, number: number, toolName: string, given: Record<string, unknown>): ToolCallRow => ({
  ...{
    id,
    turnId,
    number,
    callId: `call-${number}`,
    toolName,
    status: 'SUCCEEDED',
    replay: 'NEVER_REPLAY',
    attempts: 1,
  },
  ...{ argumentsText: JSON.stringify(given), arguments: given },
});

/** What happened in the turn, one event after the other, as it is stored and as a reader is told it. */
function story(): [stored: object, told: object][] {
  const global = {
    call: (id: string) => ({ toolCall: { id: toGlobalId('ToolCall', id) } }),
    message: toGlobalId('Message', messageId),
  };
  const delta = (partIndex: number, said: string, attempt: number): [object, object] => [
    { type: 'text-delta', messageId, partIndex, offset: 0, text: said, attempt },
    { __typename: 'TextDeltaEvent', messageId: global.message, partIndex, offset: 0, text: said, attempt },
  ];
  const called = (id: string, given: object): [object, object][] => [
    [
      { type: 'tool-call-started', toolCallId: id },
      { __typename: 'ToolCallStartedEvent', ...global.call(id) },
    ],
    [
      { type: 'arguments-delta', toolCallId: id, attempt: 1 },
      {
        __typename: 'ToolArgumentsDeltaEvent',
        toolCallId: toGlobalId('ToolCall', id),
        offset: 0,
        text: JSON.stringify(given),
      },
    ],
  ];
  const made = (id: string): [object, object][] => [
    [
      { type: 'tool-started', toolCallId: id },
      { __typename: 'ToolExecutionStartedEvent', ...global.call(id) },
    ],
    [
      { type: 'tool-finished', toolCallId: id },
      { __typename: 'ToolExecutionFinishedEvent', ...global.call(id) },
    ],
  ];
  return [
    [{ type: 'turn-queued' }, { __typename: 'TurnQueuedEvent' }],
    delta(0, 'Let me see, 1.', 1),
    ...called(letterId, letter),
    ...called(bookingId, booking),
    [{ type: 'approval-requested', approvalId }, { __typename: 'ApprovalRequestedEvent' }],
    ...made(letterId),
    [{ type: 'turn-waiting' }, { __typename: 'TurnWaitingEvent' }],
    [{ type: 'approval-decided', approvalId }, { __typename: 'ApprovalDecidedEvent' }],
    ...made(bookingId),
    delta(5, 'word1 word2', 3),
    [
      { type: 'message-completed', messageId },
      { __typename: 'MessageCompletedEvent', message: { id: global.message }, contentSha256: sha256(text) },
    ],
    [{ type: 'turn-finished' }, { __typename: 'TurnFinishedEvent', turn: { id: toGlobalId('Turn', turnId) } }],
  ];
}

function watcherOf(told: object[]): Watcher {
  const events = told.map((event, index) => ({ seq: String(index + 1), turnId: toGlobalId('Turn', turnId), ...event }));
  const frame = { cursor: 'c', caughtUp: true, replayed: false, events } as never as FrameFragment;
  const reader = createReader();
  reader.take(frame);
  return {
    ...{
      plan: { transport: 'sse', api: 0, coalesceMs: 0, cuts: [] },
      conversationId: toGlobalId('Conversation', conversationId),
      reader,
    },
    ...{ frames: [{ at: at.getTime(), frame }], faults: [], interruptions: [], has: () => true, leave: async () => {} },
  };
}

const question = { role: 'user', content: plan.text };
const results = [
  { role: 'tool', toolCallId: 'call-1', content: '{"sent":"love"}' },
  {
    role: 'tool',
    toolCallId: 'call-2',
    content: 'The user changed the arguments. The result: {"booked":"teeth at 09:15"}',
  },
];
const asked = {
  role: 'assistant',
  content: '',
  toolCalls: ['call-1', 'call-2'].map((id) => ({ id, name: '', arguments: '' })),
};

/**
 * Adds a turn to a run in which all went as it must: a letter that was sent, beside a booking that one of two devices
 * allowed in another way.
 */
export function addToolTurn({ rows, records, watchers, calls, effects }: Evidence): void {
  const events = story();
  const answer = {
    turnId: toGlobalId('Turn', turnId),
    conversationId: toGlobalId('Conversation', conversationId),
    cursor: 'c',
  };
  const decided = { approvalId, status: 'APPROVED', sentAt: at.getTime(), ms: 20 };
  const decisions = [
    { ...decided, device: 0, choice: 'edit' as const, counts: true },
    { ...decided, device: 1, choice: 'deny' as const, counts: false },
  ];
  const attempt = { turnId, worker: 'host:333:c', outcome: 'COMPLETED', startedAt: at, requestedAt: at };
  const usage = { turnId, source: 'PROVIDER', outputTokens: 3, totalTokens: 10 };
  const call = { turnKey: plan.key, status: 200, chunksSent: 5 };
  records.push({
    ...{
      plan: structuredClone(plan),
      user: 'bob',
      answers: [{ ...answer, sentAt: at.getTime(), ms: 30 }],
      refusals: [],
      failures: [],
      stop: null,
    },
    decisions,
  });
  watchers.push(watcherOf(events.map(([, told]) => told)));
  rows.conversations.push({ id: conversationId, head: events.length, totalTokens: 20 });
  rows.turns.push({
    id: turnId,
    conversationId,
    key: plan.key,
    status: 'COMPLETED',
    fence: 2,
    attempt: 3,
    finishedAt: at,
    error: null,
  });
  // The second attempt is the one that waited: it asked the model nothing.
  rows.attempts.push(
    { ...attempt, number: 1 },
    { ...attempt, number: 2, requestedAt: null },
    { ...attempt, number: 3 },
  );
  rows.usage.push({ ...usage, attempt: 1, requestId: 'scripted-3' }, { ...usage, attempt: 3, requestId: 'scripted-4' });
  rows.events.push(...events.map(([body], index) => ({ conversationId, seq: index + 1, turnId, at, body }) as never));
  rows.messages.push({
    ...{ id: messageId, turnId, role: 'ASSISTANT', status: 'COMPLETE', content: text, sha256: sha256(text) },
    parts: [
      { type: 'text', text: 'Let me see, 1.' },
      { type: 'tool-call', call: 1 },
      { type: 'tool-call', call: 2 },
      { type: 'tool-result', call: 1 },
      { type: 'tool-result', call: 2 },
      { type: 'text', text: 'word1 word2' },
    ],
  });
  rows.toolCalls.push(rowOf(letterId, 1, 'send_letter', letter), rowOf(bookingId, 2, 'book_appointment', booking));
  rows.approvals.push({
    id: approvalId,
    toolCallId: bookingId,
    status: 'APPROVED',
    editedArguments: { ...booking, time: editedTime },
  });
  calls.push(
    { ...call, number: 3, messages: [question] } as never,
    { ...call, number: 4, messages: structuredClone([question, asked, ...results]) } as never,
  );
  effects.push(
    { what: 'sent love', callId: letterId, attempt: 1 },
    { what: `booked teeth ${editedTime}`, callId: bookingId, attempt: 1 },
  );
}
