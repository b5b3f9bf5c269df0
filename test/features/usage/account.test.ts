import { expect, it } from 'vitest';
import type { ModelUsage } from '../../../src/contracts/model-event.ts';
import { accountOf } from '../../../src/features/usage/account.ts';

const model = { provider: 'openai', model: 'gpt-4o-mini' };
const count = async (text: string) => text.split(' ').length;
const call = { usage: null, accepted: true, generated: 'one two three', promptTokens: 7 };
const usage: ModelUsage = {
  inputTokens: 100,
  cachedInputTokens: 64,
  cacheWriteTokens: 16,
  outputTokens: 50,
  reasoningTokens: 40,
};
const account = (more: object) => accountOf({ ...call, ...more }, model, count);

it('of a call is what the provider counted', async () => {
  expect(await account({ usage })).toMatchObject({ source: 'PROVIDER', ...usage, totalTokens: 150 });
});

it('of a call that was sent is its prompt at least, and what came of it', async () => {
  expect(await account({ generated: '' })).toMatchObject({ source: 'ESTIMATED', inputTokens: 7 });
  expect(await account({})).toMatchObject({ source: 'ESTIMATED', inputTokens: 7, outputTokens: 3, totalTokens: 10 });
});

it('of a call that was refused, or never sent, is a row of nothing', async () => {
  expect(await account({ accepted: false })).toMatchObject({
    source: 'ESTIMATED',
    totalTokens: 0,
    costUsd: '0.000000',
  });
});

it('has an estimate in place of each count that cannot be right, and says so', async () => {
  expect(await account({ usage, implausible: ['inputTokens'] })).toMatchObject({
    ...{
      source: 'ESTIMATED',
      inputTokens: 7,
      cachedInputTokens: 0,
      cacheWriteTokens: 0,
      outputTokens: 50,
      reasoningTokens: 40,
      totalTokens: 57,
    },
  });
  expect(await account({ usage, implausible: ['outputTokens'] })).toMatchObject({
    ...{
      source: 'ESTIMATED',
      inputTokens: 100,
      cachedInputTokens: 64,
      outputTokens: 3,
      reasoningTokens: 0,
      totalTokens: 103,
    },
  });
});

it('is reckoned from the beginning of what is too long to be counted, and from what was kept of the rest', async () => {
  let counted = 0;
  const counting = async (text: string) => {
    counted += text.length;
    return text.length / 4;
  };
  const long = await accountOf({ ...call, generated: 'abc '.repeat(1_000_000) }, model, counting);
  expect(long.outputTokens).toBe(1_000_000);
  expect(counted).toBeLessThan(300_000);
  const cut = await accountOf({ ...call, generated: 'abcd'.repeat(10), generatedLength: 4_000 }, model, counting);
  expect(cut.outputTokens).toBe(1_000);
});
