import { expect, it } from 'vitest';
import { retryDelay } from '../../src/engine/retry.ts';
import { NotFoundError, ProviderError } from '../../src/kernel/errors.ts';

const options = { maxRetries: 3, random: () => 1 };
const fault = (facts: { retryable?: boolean; retryAfterMs?: number } = {}) =>
  new ProviderError('…', { provider: 'openai', retryable: true, ...facts });

it('waits longer from try to try, up to the last', () => {
  expect([1, 2, 3, 4].map((tryNumber) => retryDelay(fault(), tryNumber, options))).toEqual([500, 1_000, 2_000, null]);
  expect(retryDelay(fault(), 20, { maxRetries: 99, random: () => 1 })).toBe(8_000);
  expect(retryDelay(fault(), 1, { maxRetries: 3, random: () => 0 })).toBe(250);
});

it('does as the provider asks, unless it asks for more than a person waits', () => {
  expect(retryDelay(fault({ retryAfterMs: 60_000 }), 1, options)).toBe(60_000);
  expect(retryDelay(fault({ retryAfterMs: 0 }), 1, options)).toBe(0);
  expect(retryDelay(fault({ retryAfterMs: 60_001 }), 1, options)).toBeNull();
});

it('tries again only what may succeed', () => {
  for (const error of [fault({ retryable: false }), new NotFoundError('turn', null), new Error('bug'), undefined]) {
    expect(retryDelay(error, 1, options)).toBeNull();
  }
  expect(retryDelay(fault(), 1, { maxRetries: 0 })).toBeNull();
});
