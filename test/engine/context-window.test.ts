import fc from 'fast-check';
import { expect, it } from 'vitest';
import { textIn, textMessage } from '../../src/contracts/model-message.ts';
import { type Candidate, fitToWindow } from '../../src/engine/index.ts';

const window = { contextWindow: 2_000, maxTokens: 500, maxMessages: 100, tokenBuffer: 500 };
type Said = [content: string, tokens: number, role?: Candidate['role']];

/** The newest first, as the engine takes them; the oldest is the first of the conversation. */
const said = (...all: Said[]): Candidate[] =>
  all.map(([content, tokens, role = 'user'], index) => ({
    id: content,
    said: [textMessage(role, content)],
    tokens,
    role,
    before: all.length - 1 - index,
  }));
const contents = ({ messages }: ReturnType<typeof fitToWindow>) => messages.map(textIn);

it('tells a conversation in its order, with the instructions first', () => {
  const { messages, record } = fitToWindow(
    { content: 'Be kind', tokens: 2 },
    said(['c', 1], ['b', 1, 'assistant'], ['a', 1]),
    window,
  );
  expect(messages).toEqual([
    textMessage('system', 'Be kind'),
    textMessage('user', 'a'),
    textMessage('assistant', 'b'),
    textMessage('user', 'c'),
  ]);
  expect(record).toEqual({ tokens: 5 + 4 * 4, limit: 1_000, before: 0, considered: 100, because: null });
});

it('leaves out the oldest exchanges where they do not fit, without holes, and says why', () => {
  const fitted = fitToWindow(null, said(['new', 10], ['answer', 5, 'assistant'], ['huge', 1_000], ['old', 1]), window);
  expect(contents(fitted)).toEqual(['new']);
  expect(fitted.record).toMatchObject({ before: 3, because: 'TOKENS' });
  expect(fitted.items).toEqual([
    {
      messageId: 'old',
      tokens: 1,
      decision: 'DROPPED',
      reason: 'The exchanges from here on do not fit into 1000 tokens.',
    },
    { messageId: 'huge', tokens: 1_000, decision: 'DROPPED', reason: expect.any(String) },
    { messageId: 'answer', tokens: 5, decision: 'DROPPED', reason: expect.any(String) },
    { messageId: 'new', tokens: 10, decision: 'INCLUDED', reason: 'It is what is answered.' },
  ]);
});

it('keeps the newest message and the instructions, and tells the caller that even they do not fit', () => {
  const { messages, record } = fitToWindow({ content: 'Be brief', tokens: 10 }, said(['novel', 5_000]), window);
  expect(messages).toHaveLength(2);
  expect(record.tokens).toBeGreaterThan(record.limit);
});

it('takes no more messages than it may, and no exchange in part', () => {
  const all = said(['q3', 1], ['a2', 1, 'assistant'], ['q2', 1], ['a1', 1, 'assistant'], ['q1', 1]);
  for (const [maxMessages, kept] of [
    [5, 5],
    [4, 3],
    [3, 3],
    [2, 1],
    [1, 1],
  ] as const) {
    const fitted = fitToWindow(null, all, { ...window, maxMessages });
    expect(fitted.messages).toHaveLength(kept);
    expect(fitted.record).toMatchObject({ before: 5 - kept, because: kept < 5 ? 'MESSAGES' : null });
  }
});

it('does not show an answer whose question was not read', () => {
  const read = said(['q3', 1], ['a2', 1, 'assistant'], ['q2', 1], ['a1', 1, 'assistant'], ['q1', 1]).slice(0, 4);
  const fitted = fitToWindow(null, read, { ...window, maxMessages: 4 });
  expect(contents(fitted)).toEqual(['q2', 'a2', 'q3']);
  expect(fitted.record).toMatchObject({ before: 2, because: 'MESSAGES' });
});

it('uses only a share of the window where it is told to', () => {
  const all = said(['q2', 100], ['a1', 500, 'assistant'], ['q1', 100]);
  expect(fitToWindow(null, all, window).messages).toHaveLength(3);
  const less = fitToWindow(null, all, { ...window, share: 0.6 });
  expect(less.record).toMatchObject({ limit: 600, tokens: 104, before: 2 });
});

it('never exceeds the window unless the newest message alone does, and keeps an unbroken end that begins with a question', () => {
  const message = fc.record({ tokens: fc.nat(800), role: fc.constantFrom('user' as const, 'assistant' as const) });
  fc.assert(
    fc.property(
      fc.array(message, { minLength: 1, maxLength: 30 }),
      fc.nat(40),
      fc.option(fc.nat(300), { nil: null }),
      (all, maxMessages, system) => {
        const candidates = said(
          ['0', 5],
          ...all.map(({ tokens, role }, index): Said => [String(index + 1), tokens, role]),
        );
        const instructions = system === null ? null : { content: 's', tokens: system };
        const { messages, items, record } = fitToWindow(instructions, candidates, { ...window, maxMessages });
        const kept = messages.filter(({ role }) => role !== 'system');
        expect(kept.map((message) => Number(textIn(message)))).toEqual(kept.map((_, index) => kept.length - 1 - index));
        if (kept.length > 1) {
          expect(kept[0]!.role).toBe('user');
          expect(kept.length).toBeLessThanOrEqual(maxMessages);
          expect(record.tokens).toBeLessThanOrEqual(record.limit);
        }
        expect(items.filter(({ decision }) => decision === 'INCLUDED').map(({ messageId }) => messageId)).toEqual(
          kept.map(textIn),
        );
        expect(record.before).toBe(candidates.length - kept.length);
      },
    ),
  );
});
