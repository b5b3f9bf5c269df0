import { describe, expect, it } from 'vitest';
import type { ModelUsage } from '../../../src/contracts/model-event.ts';
import { toUsage } from '../../../src/providers/openai/usage.ts';

const counted = (inputTokens: number, outputTokens: number, more: Partial<ModelUsage> = {}): ModelUsage => ({
  ...{ inputTokens, outputTokens, cachedInputTokens: 0, cacheWriteTokens: 0, reasoningTokens: 0 },
  ...more,
});

describe('usage is read under the names and shapes of', () => {
  const both = { prompt_tokens: 100, completion_tokens: 20 };
  it.each<[string, object, ModelUsage]>([
    [
      'OpenAI',
      { ...both, total_tokens: 120, prompt_tokens_details: { cached_tokens: 64 } },
      counted(100, 20, { cachedInputTokens: 64 }),
    ],
    [
      'DeepSeek',
      { ...both, prompt_cache_hit_tokens: 64, prompt_cache_miss_tokens: 36 },
      counted(100, 20, { cachedInputTokens: 64 }),
    ],
    [
      'gateways to Anthropic',
      { ...both, cache_read_input_tokens: 64, cache_creation_input_tokens: 16 },
      counted(100, 20, { cachedInputTokens: 64, cacheWriteTokens: 16 }),
    ],
    [
      'Anthropic, whose cached tokens are beside the others',
      { input_tokens: 3, output_tokens: 20, cache_read_input_tokens: 2_000, cache_creation_input_tokens: 500 },
      counted(2_503, 20, { cachedInputTokens: 2_000, cacheWriteTokens: 500 }),
    ],
    ['the Responses API', { input_tokens: 100, output_tokens: 20, total_tokens: 120 }, counted(100, 20)],
    [
      'servers that write numbers as words',
      { prompt_tokens: '100', completion_tokens: '20', total_tokens: '120' },
      counted(100, 20),
    ],
    [
      'Gemini, whose reasoning only the total has',
      { prompt_tokens: 10, completion_tokens: 5, total_tokens: 45 },
      counted(10, 35),
    ],
    ['servers that leave the prompt to the total', { completion_tokens: 20, total_tokens: 120 }, counted(100, 20)],
    ['a total that is none', { ...both, total_tokens: 1e300 }, counted(100, 20)],
    [
      'a detail that is none',
      { ...both, prompt_tokens_details: { cached_tokens: 1e300 }, completion_tokens_details: { reasoning_tokens: -3 } },
      counted(100, 20),
    ],
  ])('%s', (_, given, expected) => {
    expect(toUsage(given)).toEqual(expected);
  });

  it.each([{}, null, 'none', { prompt_tokens: 0, completion_tokens: 0, total_tokens: 0 }, { total_tokens: 120 }])(
    'none in %j',
    (given) => {
      expect(toUsage(given)).toBeNull();
    },
  );

  it.each([
    { prompt_tokens: null, completion_tokens: null },
    { prompt_tokens: -5, completion_tokens: -7 },
    { prompt_tokens: 'many', completion_tokens: {} },
  ])('no number in %j, which cannot be right', (given) => {
    expect(toUsage(given)).toEqual(counted(0, 0));
  });
});
