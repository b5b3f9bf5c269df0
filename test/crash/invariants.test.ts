import { randomUUID } from 'node:crypto';
import { expect, it } from 'vitest';
import { toGlobalId } from '../../src/kernel/global-id.ts';
import type { FrameFragment } from '../generated/graphql.ts';
import { createReader, sha256 } from '../kit/reader.ts';
import type { Evidence } from './chaos/evidence.ts';
import { addToolTurn } from './chaos/example.ts';
import { invariants } from './chaos/invariants.ts';
import { scheduleOf } from './chaos/schedule.ts';
import type { Watcher } from './chaos/watcher.ts';

const [turnId, conversationId, messageId] = [randomUUID(), randomUUID(), randomUUID()];
const globalTurn = toGlobalId('Turn', turnId);
const globalMessage = toGlobalId('Message', messageId);
const killedAt = 1_700_000_000_000;
const text = 'word1 word2 word3';

/**
 * A run in which all went as it must: a turn whose first worker was killed, another that called tools, and a reader of
 * each.
 */
function good(): Evidence {
  const evidence = withoutTools();
  addToolTurn(evidence);
  return evidence;
}

function withoutTools(): Evidence {
  const deltas = ['word1', 'word1 word2 word3'];
  const event = (seq: number, body: object) =>
    ({ conversationId, seq, turnId, at: new Date(killedAt), body }) as never as Evidence['rows']['events'][number];
  const delta = (seq: number, attempt: number) =>
    event(seq, { type: 'text-delta', messageId, partIndex: 0, offset: 0, text: deltas[attempt - 1], attempt });
  const plan = {
    at: 0,
    key: 'key',
    behaviour: 'honest',
    text: 'Question',
    tokens: 3,
    tools: null,
    parallel: 2,
    cutSendAfter: null,
    stopAfter: null,
  } as const;
  const answer = {
    turnId: globalTurn,
    conversationId: toGlobalId('Conversation', conversationId),
    cursor: 'c',
    sentAt: killedAt,
    ms: 40,
  };
  const call = { status: 200, chunksSent: 5, turnKey: 'key', messages: [{ role: 'user', content: plan.text }] };
  return {
    schedule: { ...scheduleOf(1), faults: [{ name: 'kill-delta', at: 0, forMs: 0, which: 0, skip: 0 }] },
    startedAt: killedAt,
    records: [
      { plan, user: 'alice', answers: [answer, { ...answer }], refusals: [], failures: [], stop: null, decisions: [] },
    ],
    watchers: [watcher()],
    rows: {
      conversations: [{ id: conversationId, head: 6, totalTokens: 30 }],
      turns: [
        {
          id: turnId,
          conversationId,
          key: 'key',
          status: 'COMPLETED',
          fence: 2,
          attempt: 2,
          finishedAt: new Date(killedAt),
          error: null,
        },
      ],
      attempts: [
        {
          turnId,
          number: 1,
          worker: 'host:111:a',
          outcome: 'CRASHED',
          startedAt: new Date(killedAt),
          requestedAt: new Date(killedAt),
        },
        {
          turnId,
          number: 2,
          worker: 'host:222:b',
          outcome: 'COMPLETED',
          startedAt: new Date(killedAt),
          requestedAt: new Date(killedAt),
        },
      ],
      usage: [
        { turnId, attempt: 1, source: 'ESTIMATED', requestId: null, outputTokens: 1, totalTokens: 10 },
        { turnId, attempt: 2, source: 'PROVIDER', requestId: 'scripted-2', outputTokens: 3, totalTokens: 20 },
      ],
      events: [
        event(1, { type: 'turn-queued', turnId, position: 0 }),
        delta(2, 1),
        event(3, { type: 'part-replaced', messageId, partIndex: 0, keepLength: 0, reason: '' }),
        delta(4, 2),
        event(5, { type: 'message-completed', messageId }),
        event(6, { type: 'turn-finished', turnId }),
      ],
      messages: [
        {
          id: messageId,
          turnId,
          role: 'ASSISTANT',
          status: 'COMPLETE',
          content: text,
          sha256: sha256(text),
          parts: [{ type: 'text', text }],
        },
      ],
      toolCalls: [],
      approvals: [],
    },
    calls: [{ ...call, number: 1 } as never, { ...call, number: 2 } as never],
    effects: [],
    endings: [
      {
        slot: 'worker-1',
        role: 'worker',
        pid: 111,
        at: killedAt,
        expected: true,
        code: null,
        signal: 'SIGKILL',
        output: '',
      },
    ],
    leaks: [],
    unfinished: [],
    beats: [],
    calmMs: 0,
  };
}

function watcher(): Watcher {
  const frames = [
    {
      at: killedAt,
      seqs: [
        { __typename: 'TurnQueuedEvent', seq: '1' },
        { __typename: 'TextDeltaEvent', seq: '2', attempt: 1, offset: 0, text: 'word1' },
      ],
    },
    { at: killedAt + 4_000, seqs: [{ __typename: 'PartReplacedEvent', seq: '3', keepLength: 0 }] },
    { at: killedAt + 4_100, seqs: [{ __typename: 'TextDeltaEvent', seq: '4', attempt: 2, offset: 0, text }] },
    {
      at: killedAt + 4_200,
      seqs: [
        { __typename: 'MessageCompletedEvent', seq: '5', message: { id: globalMessage }, contentSha256: sha256(text) },
        { __typename: 'TurnFinishedEvent', seq: '6', turn: { id: globalTurn } },
      ],
    },
  ].map(({ at, seqs }) => {
    const events = seqs.map((event) => ({ turnId: globalTurn, messageId: globalMessage, partIndex: 0, ...event }));
    return { at, frame: { cursor: 'c', caughtUp: true, replayed: false, events } as never as FrameFragment };
  });
  const reader = createReader();
  for (const { frame } of frames) reader.take(frame);
  const plan = { transport: 'ws', api: 0, coalesceMs: 0, cuts: [] } as const;
  return {
    plan: { ...plan, cuts: [] },
    conversationId: toGlobalId('Conversation', conversationId),
    reader,
    frames,
    faults: [],
    interruptions: [],
    has: () => true,
    leave: async () => {},
  };
}

type Rows = Evidence['rows'];
const indexOf = ({ events }: Rows, type: string): number => events.findIndex(({ body }) => body.type === type);
const removeEvent = (rows: Rows, type: string) => rows.events.splice(indexOf(rows, type), 1);
const repeatEvent = (rows: Rows, type: string) =>
  rows.events.splice(indexOf(rows, type), 0, rows.events[indexOf(rows, type)]!);

/** Of each invariant, ways to break it. */
const broken: Record<string, ((evidence: Evidence) => unknown)[]> = {
  'text is stored': [
    ({ rows }) => Object.assign(rows.messages[0]!, { content: 'word1 word2' }),
    ({ rows }) => Object.assign(rows.messages[0]!, { sha256: '0' }),
  ],
  'the answer is the model’s': [
    ({ rows }) => Object.assign(rows.messages[0]!, { content: 'word1 word2' }),
    ({ rows }) => [
      Object.assign(rows.turns[0]!, { status: 'FAILED' }),
      Object.assign(rows.messages[0]!, { content: 'word2' }),
    ],
  ],
  'histories are whole': [({ watchers }) => watchers[0]!.faults.push('A delta at 9 came to a part of 5')],
  'histories are the log': [
    ({ rows }) => rows.events.splice(2, 1),
    ({ watchers }) => watchers[0]!.reader.events.splice(2, 1),
  ],
  'one end': [
    ({ rows }) => Object.assign(rows.turns[0]!, { status: 'RUNNING' }),
    ({ rows }) => rows.events.push({ ...rows.events[5]!, seq: 7 }),
    ({ rows }) => rows.events.push({ ...rows.events[0]!, seq: 7 }),
    ({ rows }) => rows.events.pop(),
  ],
  'everything ends in time': [({ unfinished }) => unfinished.push('key has not ended')],
  'recovery is quick': [
    ({ watchers }) => watchers[0]!.frames.splice(2, 2, { ...watchers[0]!.frames[2]!, at: killedAt + 10_500 }),
  ],
  'no late writer': [
    ({ rows }) => rows.events.splice(4, 0, rows.events[1]!),
    ({ watchers }) => watchers[0]!.reader.events.push(watchers[0]!.reader.events[1]!),
  ],
  'every call is booked': [
    ({ rows }) => rows.usage.splice(1, 1),
    ({ rows }) => rows.usage.pop(),
    ({ rows }) => [Object.assign(rows.turns[0]!, { status: 'CANCELLED' }), rows.usage.shift()],
    ({ rows, calls }) => [
      Object.assign(rows.turns[0]!, { status: 'CANCELLED' }),
      rows.usage.splice(1, 1),
      calls.push(calls[0]!),
    ],
    ({ rows }) => rows.usage.push({ ...rows.usage[1]! }),
    ({ rows }) => Object.assign(rows.usage[1]!, { outputTokens: 4 }),
    ({ rows }) => Object.assign(rows.usage[1]!, { requestId: 'scripted-9' }),
    ({ calls }) => calls.push(calls[0]!),
  ],
  'sums agree': [({ rows }) => Object.assign(rows.conversations[0]!, { totalTokens: 40 })],
  'one turn for a key': [
    ({ records }) => Object.assign(records[0]!.answers[0]!, { turnId: toGlobalId('Turn', randomUUID()) }),
    ({ rows }) => rows.turns.push(rows.turns[0]!),
    ({ records }) => records[0]!.refusals.push('CONFLICT'),
    ({ rows }) => rows.attempts.splice(1, 1),
    ({ rows }) => rows.attempts.splice(3, 2),
  ],
  'strangers see nothing': [({ leaks }) => leaks.push('a stranger got it')],
  'nothing else fails a turn': [({ rows }) => Object.assign(rows.turns[0]!, { status: 'FAILED' })],
  'nobody waits for Redis': [
    ({ schedule, records }) => [
      Object.assign(schedule.faults[0]!, { name: 'redis-frozen' }),
      Object.assign(records[0]!.answers[0]!, { ms: 2_500 }),
    ],
    ({ schedule, records }) => [
      Object.assign(schedule.faults[0]!, { name: 'redis-frozen' }),
      Object.assign(records[1]!.decisions[0]!, { ms: 2_500 }),
    ],
  ],
  'processes live': [
    ({ endings }) => Object.assign(endings[0]!, { expected: false }),
    ({ endings }) => Object.assign(endings[0]!, { signal: null, code: 1 }),
  ],
  'lies are seen': [({ records }) => Object.assign(records[0]!.plan, { behaviour: 'lie' })],
  'calls end': [
    ({ rows }) => Object.assign(rows.toolCalls[0]!, { status: 'RUNNING' }),
    ({ rows }) => Object.assign(rows.toolCalls[1]!, { status: 'PENDING_APPROVAL' }),
    ({ rows }) => removeEvent(rows, 'tool-finished'),
    ({ rows }) => repeatEvent(rows, 'tool-finished'),
  ],
  'calls are the model’s': [
    ({ rows }) => rows.toolCalls.push({ ...rows.toolCalls[0]!, id: randomUUID(), number: 3 }),
    ({ rows }) => [
      Object.assign(rows.turns[1]!, { status: 'FAILED' }),
      rows.toolCalls.push({ ...rows.toolCalls[0]!, id: randomUUID(), number: 3 }),
    ],
    ({ rows }) => rows.toolCalls.pop(),
    ({ rows }) => Object.assign(rows.toolCalls[0]!, { arguments: { topic: 'hate' } }),
    ({ rows }) => rows.messages[1]!.parts.splice(3, 1),
    ({ records }) => Object.assign(records[1]!.plan, { tools: null }),
  ],
  'effects are told': [
    ({ effects }) => effects.push({ ...effects[0]!, attempt: 2 }),
    ({ effects, rows }) => [
      effects.push({ ...effects[0]!, attempt: 2 }),
      Object.assign(rows.toolCalls[0]!, { attempts: 2 }),
    ],
    ({ effects }) => effects.shift(),
    ({ effects, rows }) => [effects.shift(), Object.assign(rows.toolCalls[0]!, { replay: 'IDEMPOTENT' })],
    ({ rows }) => Object.assign(rows.toolCalls[0]!, { attempts: 0 }),
    ({ rows }) => Object.assign(rows.toolCalls[0]!, { status: 'FAILED' }),
    ({ rows }) => Object.assign(rows.toolCalls[0]!, { status: 'CANCELLED' }),
    ({ rows }) => Object.assign(rows.toolCalls[1]!, { status: 'DENIED' }),
    ({ rows }) => Object.assign(rows.approvals[0]!, { editedArguments: null }),
    ({ effects }) => effects.push({ what: 'sent hate', callId: randomUUID(), attempt: 1 }),
  ],
  'nothing is done unasked': [
    ({ rows }) => Object.assign(rows.approvals[0]!, { status: 'PENDING' }),
    ({ rows }) => Object.assign(rows.approvals[0]!, { status: 'DENIED' }),
    ({ rows }) => Object.assign(rows.approvals[0]!, { status: 'AUTO_DENIED' }),
    ({ rows, effects }) => [Object.assign(rows.approvals[0]!, { status: 'DENIED' }), effects.pop()],
    ({ rows }) => rows.approvals.pop(),
    ({ rows }) => removeEvent(rows, 'approval-decided'),
    ({ rows }) => repeatEvent(rows, 'approval-decided'),
  ],
  'one decision counts': [
    ({ records }) => Object.assign(records[1]!.decisions[1]!, { counts: true }),
    ({ records }) => Object.assign(records[1]!.decisions[1]!, { status: 'PENDING' }),
    ({ records }) => Object.assign(records[1]!.decisions[0]!, { choice: 'approve' }),
    ({ rows }) => Object.assign(rows.approvals[0]!, { editedArguments: null }),
    ({ records }) => [records[1]!.decisions.splice(0), Object.assign(records[1]!.plan.tools!, { choices: ['deny'] })],
  ],
  'nobody waits for nothing': [({ rows }) => Object.assign(rows.turns[1]!, { status: 'WAITING_APPROVAL' })],
  'calls are paired': [
    ({ calls }) => calls[3]!.messages.pop(),
    ({ calls }) => calls[3]!.messages.splice(1, 1),
    ({ calls }) => calls[3]!.messages.push(calls[3]!.messages[2]!),
    ({ calls }) => Object.assign(calls[3]!, { status: 400 }),
  ],
  'the model is told': [
    ({ rows }) => Object.assign(rows.toolCalls[0]!, { status: 'OUTCOME_UNKNOWN' }),
    ({ calls }) => Object.assign(calls[3]!.messages[2]!, { content: '{"error":{"status":"FAILED","message":""}}' }),
    ({ calls }) => Object.assign(calls[3]!.messages[2]!, { toolCallId: 'call-9' }),
  ],
  'arguments are stored': [
    ({ rows }) => Object.assign(rows.toolCalls[0]!, { argumentsText: '{"topic":"hate"}' }),
    ({ watchers }) => watchers[1]!.reader.events.splice(3, 1),
    ({ watchers }) => watchers[1]!.reader.events.splice(3, 0, watchers[1]!.reader.events[3]!),
  ],
};

const violated = (evidence: Evidence): string[] =>
  Object.keys(invariants).filter((name) => invariants[name]!(evidence).length > 0);

it('finds nothing in a run in which all is well', () => {
  expect(violated(good())).toEqual([]);
});

it('has each invariant broken in some way', () => {
  expect(Object.keys(broken)).toEqual(Object.keys(invariants));
});

it.each(Object.keys(broken))('sees where it is broken that “%s”', (name) => {
  for (const harm of broken[name]!) {
    const evidence = good();
    harm(evidence);
    expect(violated(evidence), String(harm)).toContain(name);
  }
});
