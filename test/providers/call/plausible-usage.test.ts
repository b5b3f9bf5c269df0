import { describe, expect, it } from 'vitest';
import type { ModelUsage } from '../../../src/contracts/model-event.ts';
import { type Exchange, implausibleIn } from '../../../src/providers/call/plausible-usage.ts';
import { toUsage } from '../../../src/providers/openai/usage.ts';

const counted = (inputTokens: number, outputTokens: number, more: Partial<ModelUsage> = {}): ModelUsage => ({
  ...{ inputTokens, outputTokens, cachedInputTokens: 0, cacheWriteTokens: 0, reasoningTokens: 0 },
  ...more,
});

/** A question of 5 letters, answered with 3 words within 50 ms. */
const small: Exchange = { sentBytes: 150, promptUnits: 5, receivedBytes: 900, writtenUnits: 13, durationMs: 50 };
/** A conversation of 40,000 characters, answered with 2,000 in 10 seconds. */
const usual: Exchange = {
  sentBytes: 45_000,
  promptUnits: 40_000,
  receivedBytes: 100_000,
  writtenUnits: 2_000,
  durationMs: 10_000,
};

describe('counts that a server sends', () => {
  it.each<[string, ModelUsage, Exchange]>([
    ['for a short answer, by a server that adds instructions', counted(700, 20), small],
    ['where documents were looked up for the prompt', counted(25_000, 20), small],
    ['of an empty answer', counted(100, 0), { ...small, writtenUnits: 0 }],
    ['of another tokenizer, which needs many', counted(30_000, 1_900), usual],
    ['of another tokenizer, which needs few', counted(7_000, 320), usual],
    [
      'of a server that kept 2,048 tokens of a long prompt',
      counted(2_048, 500),
      { ...usual, promptUnits: 900_000, sentBytes: 950_000 },
    ],
    ['of a prompt from the cache', counted(10_000, 500, { cachedInputTokens: 9_984 }), usual],
    ['of an answer of white space', counted(10_000, 17), { ...usual, writtenUnits: 2_048 }],
    ['with reasoning that is counted and not shown', counted(10, 60_000, { reasoningTokens: 59_990 }), small],
    [
      'with reasoning that is neither counted nor shown, and takes its time',
      counted(10, 40_000),
      { ...small, durationMs: 400_000 },
    ],
  ])('are taken: %s', (_, usage, exchange) => {
    expect(implausibleIn(usage, exchange)).toEqual([]);
  });

  it.each<[string, ModelUsage, Exchange, string[]]>([
    ['1e300 for the prompt', toUsage({ prompt_tokens: 1e300, completion_tokens: 7 })!, small, ['inputTokens']],
    ['1e300 for the answer', toUsage({ prompt_tokens: 9, completion_tokens: 1e300 })!, small, ['outputTokens']],
    ['nothing for the prompt', toUsage({ prompt_tokens: null, completion_tokens: 7 })!, small, ['inputTokens']],
    [
      'nothing for an answer that is there',
      toUsage({ prompt_tokens: 9, completion_tokens: null })!,
      small,
      ['outputTokens'],
    ],
    ['less than nothing', toUsage({ prompt_tokens: 9, completion_tokens: -7 })!, small, ['outputTokens']],
    [
      'no numbers at all',
      toUsage({ prompt_tokens: {}, completion_tokens: 'x' })!,
      small,
      ['inputTokens', 'outputTokens'],
    ],
    [
      '11 tokens for 4 MB of an answer',
      counted(10_000, 11),
      { ...usual, writtenUnits: 4_000_000, receivedBytes: 9_000_000 },
      ['outputTokens'],
    ],
    [
      '11 tokens for 4 MB of a prompt',
      counted(11, 500),
      { ...usual, promptUnits: 4_000_000, sentBytes: 4_100_000 },
      ['inputTokens'],
    ],
    ['more tokens than bytes came', counted(9, 2_000), small, ['outputTokens']],
    ['more tokens than bytes were sent', counted(100_000, 7), small, ['inputTokens']],
    ['more reasoning than any model does', counted(9, 400_000, { reasoningTokens: 399_990 }), small, ['outputTokens']],
  ])('cannot be right: %s', (_, usage, exchange, expected) => {
    expect(implausibleIn(usage, exchange)).toEqual(expected);
  });
});
