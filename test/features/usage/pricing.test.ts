import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { ModelUsage } from '../../../src/contracts/model-event.ts';
import { priceOf } from '../../../src/features/usage/pricing.ts';

const usage = (counts: Partial<ModelUsage> = {}): ModelUsage => ({
  inputTokens: 0,
  cachedInputTokens: 0,
  cacheWriteTokens: 0,
  outputTokens: 0,
  reasoningTokens: 0,
  ...counts,
});
const at = new Date('2026-11-01T00:00:00Z');
const price = (model: string, counts: Partial<ModelUsage>, provider = 'openai') =>
  priceOf({ provider, model, usage: usage(counts), at });

describe('a price', () => {
  it('is that of the public list', () => {
    expect(price('gpt-4o', { inputTokens: 1_000_000, outputTokens: 1_000_000 })).toBe('12.500000');
    expect(price('gpt-4o-mini', { inputTokens: 1_000, outputTokens: 1_000 })).toBe('0.000750');
    expect(price('gpt-4o-2024-08-06', { inputTokens: 1_000 })).toBe('0.002500');
  });

  it('is lower for what was cached, and has reasoning within the output', () => {
    expect(price('gpt-4o', { inputTokens: 1_000_000, cachedInputTokens: 400_000 })).toBe('2.000000');
    expect(price('o3', { outputTokens: 1_000, reasoningTokens: 900 })).toBe(price('o3', { outputTokens: 1_000 }));
  });

  it('is rounded half up to the micro-dollar', () => {
    expect(price('gpt-4o-mini', { inputTokens: 3 })).toBe('0.000000');
    expect(price('gpt-4o-mini', { inputTokens: 4 })).toBe('0.000001');
    expect(price('gpt-4o', { inputTokens: 1 })).toBe('0.000003');
    expect(price('gpt-4o', { inputTokens: 174 })).toBe('0.000435');
  });

  it('is null, never zero, for a model that the list does not know', () => {
    for (const model of ['llama3.2', 'gpt-9000', 'text-moderation-latest', '', '__proto__', 'claude-sonnet-4-5']) {
      expect(price(model, { inputTokens: 1_000 })).toBeNull();
    }
    expect(price('gpt-4o', { inputTokens: 1_000 }, 'ollama')).toBeNull();
    expect(price('gpt-4o', { inputTokens: 1_000 }, 'scripted')).toBeNull();
  });

  it('is fictitious for the scripted model: one dollar and two for a million tokens', () => {
    expect(price('scripted-1', { inputTokens: 1_000_000, outputTokens: 1_000_000 }, 'scripted')).toBe('3.000000');
    expect(price('scripted-1', { inputTokens: 1_000 })).toBeNull();
  });

  it('is six digits after the point for any usage, however odd', () => {
    const count = fc.oneof(fc.integer(), fc.double(), fc.constant(undefined as unknown as number));
    fc.assert(
      fc.property(
        fc.constantFrom('gpt-4o', 'gpt-5', 'gpt-5.6-sol', 'o3', 'gpt-3.5-turbo', 'scripted-1'),
        fc.record({
          inputTokens: fc.oneof(fc.nat(2 ** 31 - 1), count),
          cachedInputTokens: count,
          cacheWriteTokens: count,
          outputTokens: fc.nat(2 ** 31 - 1),
          reasoningTokens: count,
        }),
        (model, counts) => {
          const counted = { ...counts, inputTokens: Math.min(counts.inputTokens ?? 0, 2 ** 31) };
          expect(
            priceOf({ provider: model === 'scripted-1' ? 'scripted' : 'openai', model, usage: counted, at }),
          ).toMatch(/^\d+\.\d{6}$/);
        },
      ),
      { numRuns: 500 },
    );
  });
});
