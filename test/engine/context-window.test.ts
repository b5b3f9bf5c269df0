import fc from 'fast-check';
import { expect, it } from 'vitest';
import { type Candidate, fitToWindow } from '../../src/engine/index.ts';

const window = { contextWindow: 2_000, maxTokens: 500, maxMessages: 100 };
const message = (content: string, tokens: number, role: Candidate['role'] = 'user'): Candidate => ({ role, content, tokens });

it('tells a conversation in its order, with the instructions first', () => {
  const { messages, tokens, dropped } = fitToWindow(
    { content: 'Be kind', tokens: 2 },
    [message('c', 1), message('b', 1, 'assistant'), message('a', 1)],
    window,
  );
  expect(messages).toEqual([
    { role: 'system', content: 'Be kind' },
    { role: 'user', content: 'a' },
    { role: 'assistant', content: 'b' },
    { role: 'user', content: 'c' },
  ]);
  expect(tokens).toBe(5 + 4 * 4);
  expect(dropped).toBe(0);
});

it('leaves out the oldest where they do not fit, without holes', () => {
  const { messages, dropped } = fitToWindow(null, [message('new', 10), message('huge', 1_000), message('old', 1)], window);
  expect(messages.map(({ content }) => content)).toEqual(['new']);
  expect(dropped).toBe(2);
});

it('keeps the newest message and the instructions, and tells the caller that even they do not fit', () => {
  const { messages, tokens, limit } = fitToWindow({ content: 'Be brief', tokens: 10 }, [message('novel', 5_000)], window);
  expect(messages).toHaveLength(2);
  expect(tokens).toBeGreaterThan(limit);
  expect(limit).toBe(1_000);
});

it('takes no more messages than it may', () => {
  const { messages } = fitToWindow(
    null,
    Array.from({ length: 10 }, (_, index) => message(String(index), 1)),
    { ...window, maxMessages: 3 },
  );
  expect(messages.map(({ content }) => content)).toEqual(['2', '1', '0']);
});

it('never exceeds the window unless the newest message alone does, and keeps an unbroken end of the conversation', () => {
  const candidates = fc.array(fc.nat(800), { minLength: 1, maxLength: 30 });
  fc.assert(
    fc.property(candidates, fc.option(fc.nat(300), { nil: null }), (sizes, system) => {
      const instructions = system === null ? null : { content: 's', tokens: system };
      const { messages, tokens, limit, dropped } = fitToWindow(
        instructions,
        sizes.map((size, index) => message(String(index), size)),
        window,
      );
      const kept = messages.filter(({ role }) => role === 'user').map(({ content }) => Number(content));
      expect(kept).toEqual(kept.map((_, index) => kept.length - 1 - index));
      expect(kept.length + dropped).toBe(sizes.length);
      if (kept.length > 1) expect(tokens).toBeLessThanOrEqual(limit);
    }),
  );
});
