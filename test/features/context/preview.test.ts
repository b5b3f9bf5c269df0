import { expect, it } from 'vitest';
import { createContextPreview } from '../../../src/features/context/index.ts';
import { breathe } from '../../../src/kernel/async.ts';
import { inlineChecker } from '../../kit/json-checker.ts';

/** How many counts of tokens are under way, by the text, and the most that ever were. */
function createCounter() {
  const counter = {
    now: 0,
    most: 0,
    count: async (_text: string) => {
      counter.now += 1;
      counter.most = Math.max(counter.most, counter.now);
      for (let n = 0; n < 5; n++) await breathe();
      counter.now -= 1;
      return 1;
    },
  };
  return counter;
}

it('previews of one user count their tokens one after another, and those of others beside them', async () => {
  const counter = createCounter();
  const conversation = { id: 'c', systemPrompt: '', activeLeafId: null, model: 'm', provider: 'p' };
  const preview = createContextPreview({
    database: { prisma: { conversation: { findFirst: async () => conversation } }, query: async () => [] },
    findModel: () => ({ id: 'm', provider: 'p', contextWindow: 100_000, maxOutputTokens: 1_000 }),
    countTokens: counter.count,
    limits: { maxMessages: 10, buffer: 0 },
    maxMessageChars: 1_000,
    tools: { offeredTo: () => [], find: () => undefined },
    json: inlineChecker,
  } as never);
  const draft = {
    conversationId: 'c',
    content: { path: 'draft', items: [{ path: 'draft.text', text: 'Hi' }] },
    generation: {},
  };
  const ofUser = (userId: string, times: number) =>
    Promise.all(Array.from({ length: times }, () => preview({ userId } as never, draft, (_bytes, read) => read())));
  await ofUser('alice', 20);
  expect(counter.most).toBe(1);
  await Promise.all([ofUser('alice', 20), ofUser('bob', 1)]);
  expect(counter.most).toBe(2);
});
