import fc from 'fast-check';
import { expect, it } from 'vitest';
import type { MessagePart } from '../../src/contracts/message.ts';
import { type ModelMessage, textMessage } from '../../src/contracts/model-message.ts';
import type { ToolCallRecord, ToolCallStatus } from '../../src/contracts/tool.ts';
import { type Candidate, fitToWindow, toModelMessages } from '../../src/engine/index.ts';

const statuses: ToolCallStatus[] = [
  'STREAMING_ARGUMENTS',
  'PENDING_APPROVAL',
  'READY',
  'RUNNING',
  'SUCCEEDED',
  'FAILED',
  'DENIED',
  'CANCELLED',
  'OUTCOME_UNKNOWN',
];

/** One step of an answer: a few words or none, and calls, of which some were never finished. */
const step = fc.record({
  text: fc.option(fc.string({ minLength: 1, maxLength: 5 }), { nil: null }),
  calls: fc.array(fc.record({ status: fc.constantFrom(...statuses), hasResult: fc.boolean(), isKnown: fc.boolean() }), {
    maxLength: 3,
  }),
  told: fc.boolean(),
});

/** An answer of any number of steps, as it may have been left at any moment. */
const answer = fc.array(step, { maxLength: 4 }).map((steps) => {
  const parts: MessagePart[] = [];
  const calls: ToolCallRecord[] = [];
  const steering: { at: number; text: string }[] = [];
  let number = 0;
  for (const [index, { text, calls: made, told }] of steps.entries()) {
    if (told && index > 0) steering.push({ at: parts.length, text: 'told' });
    if (text !== null) parts.push({ type: 'text', text });
    const numbers = made.map(({ status, isKnown }) => {
      number += 1;
      parts.push({ type: 'tool-call', call: number });
      if (isKnown)
        calls.push({ ...blank, id: `c${number}`, number, step: index + 1, callId: `call-${number}`, status });
      return number;
    });
    for (const [place, { hasResult }] of made.entries())
      if (hasResult) parts.push({ type: 'tool-result', call: numbers[place]! });
  }
  return { parts, calls, steering };
});

const blank = {
  replay: 'READ_ONLY' as const,
  toolName: 't',
  argumentsText: '{}',
  arguments: {},
  isEdited: false,
  attempts: 1,
  result: null,
  errorMessage: null,
};

/** What a provider would refuse: a call without its result right after it, or a result without its call. */
function unpaired(messages: readonly ModelMessage[]): string | null {
  let open = new Set<string>();
  for (const message of messages) {
    if (message.role === 'tool') {
      for (const { callId } of message.content)
        if (!open.delete(callId)) return `a result of ${callId}, which was not called`;
    } else {
      if (open.size > 0) return `no result of ${[...open].join()}`;
      open = new Set(message.content.flatMap((part) => (part.type === 'tool-call' ? [part.callId] : [])));
    }
  }
  return open.size > 0 ? `no result of ${[...open].join()} at the end` : null;
}

it('would be noticed', () => {
  const call: ModelMessage = {
    role: 'assistant',
    content: [{ type: 'tool-call', callId: 'a', name: 't', arguments: '{}' }],
  };
  const result: ModelMessage = { role: 'tool', content: [{ type: 'tool-result', callId: 'a', text: '' }] };
  expect(unpaired([call])).not.toBeNull();
  expect(unpaired([call, textMessage('user', '')])).not.toBeNull();
  expect(unpaired([result])).not.toBeNull();
  expect(unpaired([call, result])).toBeNull();
});

it('never shows a model a call without its result, or a result without its call, however a history was left and is trimmed', () => {
  const history = fc.array(answer, { maxLength: 6 });
  const window = fc.record({
    contextWindow: fc.integer({ min: 60, max: 600 }),
    maxMessages: fc.integer({ min: 1, max: 14 }),
  });
  let trimmed = 0;
  let withCalls = 0;
  fc.assert(
    fc.property(history, window, fc.integer({ min: 0, max: 13 }), (answers, { contextWindow, maxMessages }, skip) => {
      const messages: Candidate[] = answers.flatMap(({ parts, calls, steering }, index) => [
        { id: `q${index}`, role: 'user', said: [textMessage('user', 'q')], tokens: 5, before: index * 2 },
        {
          id: `a${index}`,
          role: 'assistant',
          said: toModelMessages(parts, calls, steering),
          tokens: parts.length * 4,
          before: index * 2 + 1,
        },
      ]);
      // A branch may end anywhere, and only so many of its messages are read.
      const read = messages
        .slice(0, messages.length - (skip % 2))
        .reverse()
        .slice(0, maxMessages);
      const fitted = fitToWindow(null, read, { contextWindow, maxTokens: 20, maxMessages, tokenBuffer: 5 });
      if (fitted.record.before > 0) trimmed += 1;
      if (fitted.messages.some(({ role }) => role === 'tool')) withCalls += 1;
      expect(unpaired(fitted.messages)).toBeNull();
    }),
    { numRuns: 2_000 },
  );
  // The property was really tried on what it is about.
  expect(trimmed).toBeGreaterThan(200);
  expect(withCalls).toBeGreaterThan(200);
});
