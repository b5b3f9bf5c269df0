import fc from 'fast-check';
import { countTokens as exact } from 'gpt-tokenizer/encoding/o200k_base';
import { describe, expect, it } from 'vitest';
import { countTokens } from '../../src/engine/token-count.ts';
import { longestSlice } from '../kit/longest-slice.ts';

const of = (alphabet: string, length: number): string => {
  const characters = [...alphabet];
  let seed = 1;
  const next = () => {
    seed = (seed * 48_271) % 2_147_483_647;
    return seed;
  };
  return Array.from({ length }, () => characters[next() % characters.length]).join('');
};
const letters = 'abcdefghijklmnopqrstuvwxyz';
const code = JSON.stringify(
  Object.fromEntries(Array.from({ length: 500 }, (_, at) => [`key${at}`, { value: at * 7, list: [at] }])),
  null,
  2,
);
const range = (from: number, count: number) =>
  String.fromCodePoint(...Array.from({ length: count }, (_, at) => from + at));

/** The longest time in which nothing else had its turn, and the whole. */
async function measured(text: string): Promise<{ total: number; longest: number }> {
  const started = performance.now();
  const longest = await longestSlice(() => countTokens(text));
  return { total: performance.now() - started, longest };
}

describe('ordinary text', () => {
  it('is counted exactly', async () => {
    for (const text of [
      '',
      'Hello, world!',
      'The quick brown fox jumps over the lazy dog. '.repeat(2_000),
      'résumé 你好 😀 नमस्ते',
      code,
    ]) {
      expect(await countTokens(text)).toBe(exact(text, { disallowedSpecial: new Set() }));
    }
  });

  it("may contain the model's own marks", async () => {
    expect(await countTokens('<|endoftext|> <|im_start|>')).toBeGreaterThan(5);
  });

  it('is counted whatever it is, near enough where it is long', async () => {
    await fc.assert(
      fc.asyncProperty(fc.string({ unit: 'binary', maxLength: 3_000 }), async (text) => {
        const truth = exact(text, { disallowedSpecial: new Set() });
        expect(Math.abs((await countTokens(text)) - truth)).toBeLessThanOrEqual(2 + text.length / 200);
      }),
      { numRuns: 30 },
    );
  });
});

describe('200,000 characters without a break', () => {
  it.each([
    ['letters', of(letters, 200_000)],
    ['one letter', 'a'.repeat(200_000)],
    ['spaces', ' '.repeat(200_000)],
    ['line breaks', '\n'.repeat(200_000)],
    ['emoji', of(range(0x1f300, 500), 100_000)],
    ['Chinese', of(range(0x4e00, 3_000), 200_000)],
    ['base64', of(`${letters}${letters.toUpperCase()}0123456789+/`, 200_000)],
    ['signs', of('!@#$%^&*()-_=+{};:,.<>?', 200_000)],
    ['signs and marks', '!\u0301'.repeat(100_000)],
  ])('of %s neither take long nor hold the event loop', async (_, text) => {
    await countTokens('loaded');
    const { total, longest } = await measured(text);
    // Some 0.5 s and 15 ms on an idle machine; a busy one may need more, and the fault this guards against took 20 s.
    expect(total).toBeLessThan(8_000);
    expect(longest).toBeLessThan(150);
  });

  it('are counted nearly as if they were not cut', async () => {
    const text = of(letters, 6_000);
    const truth = exact(text);
    expect(Math.abs((await countTokens(text)) - truth) / truth).toBeLessThan(0.005);
  });
});

it('a hundred counts at once hold the event loop no longer than one', async () => {
  const text = '語'.repeat(4_000);
  await countTokens(text);
  const many = await longestSlice(() => Promise.all(Array.from({ length: 100 }, () => countTokens(text))));
  const one = await longestSlice(() => countTokens(text));
  expect(many).toBeLessThan(Math.max(100, 4 * one));
});

it('a short count waits for no long one: each has its turn', async () => {
  const ended: string[] = [];
  const long = countTokens('語'.repeat(60_000)).then(() => ended.push('long'));
  await countTokens('Hello, world!').then(() => ended.push('short'));
  await long;
  expect(ended).toEqual(['short', 'long']);
});
