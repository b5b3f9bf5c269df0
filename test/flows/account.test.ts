import { randomUUID } from 'node:crypto';
import { parse } from 'graphql';
import { afterAll, beforeAll, expect, it } from 'vitest';
import type { App } from '../../src/app/build-app.ts';
import { ConversationDocument, TurnStoryDocument, ViewerDocument } from '../generated/graphql.ts';
import { createWorld, describeSettings, type World } from '../kit/app.ts';
import type { TestClient } from '../kit/client.ts';
import { ask, follow, type Sent, send, stop, textSoFar } from '../kit/story.ts';

/** Exact: money is compared in micro-dollars, never as floats. */
const micros = (usd: string): bigint => {
  expect(usd).toMatch(/^\d+\.\d{6}$/);
  return BigInt(usd.replace('.', ''));
};
const sum = (numbers: readonly bigint[]): bigint => numbers.reduce((total, each) => total + each, 0n);

describeSettings(
  'account',
  ({ storage, redis }) => {
    let world: World;
    let app: App;

    beforeAll(async () => {
      world = await createWorld(storage, { redis, tokensPerSecond: 4_000, env: { OPENAI_MODELS: 'some-model' } });
      app = await world.start();
    });
    afterAll(() => world.close());

    const someone = (): Promise<TestClient> => world.client(app, randomUUID());
    const storyOf = async (client: TestClient, { turn }: Pick<Sent, 'turn'>) =>
      (await client.request(TurnStoryDocument, { id: turn.id })).turn!;
    const viewerOf = async (client: TestClient) => (await client.request(ViewerDocument, {})).viewer.user;
    const conversationOf = async (client: TestClient, id: string) =>
      (await client.request(ConversationDocument, { id, first: 100 })).conversation!;

    it('agrees with itself from the call to the viewer: turn, message, conversation, user, events', async () => {
      const client = await someone();
      const first = await ask(client, 'One [[tokens 30]]');
      const to = first.conversation.id;
      const sent = [
        first,
        await ask(client, 'Two [[tokens 7]] [[fail 503 retry-after 0 times 1]]', { to }),
        await ask(client, 'Three [[tokens 40]] [[cut 10]]', { to }),
        await ask(client, 'Four [[no-usage]]', { to }),
        await ask(client, 'Five [[fail 401]]', { to }),
      ];
      const stopped = await send(client, 'Six [[tokens 9]] [[hold]]', { to });
      await follow(client, { id: to, after: stopped.cursor }, (reader) => textSoFar(reader) !== '');
      await stop(client, stopped.turn.id);

      const stories = await Promise.all([...sent, stopped].map((each) => storyOf(client, each)));
      expect(stories.map(({ usage }) => usage.length)).toEqual([1, 2, 1, 1, 1, 1]);
      const rows = stories.flatMap(({ usage }) => usage);
      for (const row of rows) expect(row.totalTokens).toBe(row.inputTokens + row.outputTokens);
      for (const { usage, finalMessage } of stories)
        expect([finalMessage!.tokenCount, finalMessage!.estimatedCost]).toEqual([
          usage.at(-1)!.outputTokens,
          usage.at(-1)!.costUsd,
        ]);

      const tokens = sum(rows.map(({ totalTokens }) => BigInt(totalTokens)));
      const cost = sum(rows.map(({ costUsd }) => micros(costUsd)));
      const conversation = await conversationOf(client, to);
      expect([BigInt(conversation.totalTokens), micros(conversation.totalCost)]).toEqual([tokens, cost]);
      const { totals, totalCount, nodes } = conversation.usage;
      expect([BigInt(totals.totalTokens), micros(totals.costUsd), totals.requests, totalCount]).toEqual([
        tokens,
        cost,
        rows.length,
        rows.length,
      ]);
      expect(nodes.map(({ id }) => id).sort()).toEqual(rows.map(({ id }) => id).sort());
      expect(await viewerOf(client)).toMatchObject({
        totalTokensUsed: String(tokens),
        conversationCount: 1,
        messageCount: 12,
      });
      expect(
        (await client.execute(parse('{ viewer { user { conversationsCount messagesCount } } }') as never, {})).data,
      ).toEqual({
        viewer: { user: { conversationsCount: 1, messagesCount: 12 } }, // by their earlier names
      });
      expect(cost).toBeGreaterThan(0n);

      const reader = await follow(client, { id: to, after: first.cursor }, (each) => each.finished.length === 6);
      expect(reader.of('UsageRecordedEvent').map(({ usage }) => usage.id)).toEqual(rows.map(({ id }) => id));
      expect(reader.of('UsageRecordedEvent').at(-1)).toMatchObject({
        conversationTokens: String(tokens),
        conversationCost: conversation.totalCost,
      });
      for (const [at, { totals: told }] of reader.finished.entries()) {
        const own = stories[at]!.usage;
        const asTold = [BigInt(told.totalTokens), micros(told.costUsd), told.requests];
        expect(asTold).toEqual([
          sum(own.map((row) => BigInt(row.totalTokens))),
          sum(own.map((row) => micros(row.costUsd))),
          own.length,
        ]);
      }
    });

    it('keeps the sums right while ten conversations are answered at once', async () => {
      const client = await someone();
      const begun = await Promise.all(
        Array.from({ length: 10 }, (_, n) => ask(client, `Begin ${n} [[tokens ${5 + n}]]`)),
      );
      const more = await Promise.all(
        begun.flatMap(({ conversation }, n) =>
          [1, 2].map((again) => ask(client, `Again ${again} [[tokens ${n + again}]]`, { to: conversation.id })),
        ),
      );
      const rows = (await Promise.all([...begun, ...more].map((each) => storyOf(client, each)))).flatMap(
        ({ usage }) => usage,
      );
      expect(rows).toHaveLength(30);
      const conversations = await Promise.all(begun.map(({ conversation }) => conversationOf(client, conversation.id)));
      const tokens = sum(rows.map(({ totalTokens }) => BigInt(totalTokens)));
      expect(sum(conversations.map(({ totalTokens }) => BigInt(totalTokens)))).toBe(tokens);
      expect(sum(conversations.map(({ totalCost }) => micros(totalCost)))).toBe(
        sum(rows.map(({ costUsd }) => micros(costUsd))),
      );
      for (const { totalTokens, totalCost, usage } of conversations)
        expect([totalTokens, totalCost, 3]).toEqual([
          usage.totals.totalTokens,
          usage.totals.costUsd,
          usage.totals.requests,
        ]);
      expect(await viewerOf(client)).toMatchObject({
        totalTokensUsed: String(tokens),
        conversationCount: 10,
        messageCount: 60,
      });
    });

    it('prices a known model by its published price, to the micro-dollar', async () => {
      const client = await someone();
      const story = await storyOf(client, await ask(client, 'Price this [[tokens 100]]'));
      const [row] = story.usage;
      expect(row).toMatchObject({
        kind: 'CHAT',
        provider: 'openai',
        model: 'gpt-4o-mini',
        isPriced: true,
        source: 'PROVIDER',
        outputTokens: 100,
      });
      // USD 0.15 and 0.60 a million.
      const expected = Math.floor((row!.inputTokens * 15 + 100 * 60) / 100 + 0.5);
      expect(micros(row!.costUsd)).toBe(BigInt(expected));
      expect(row!.requestId).toMatch(/^scripted-/);
    });

    it('never guesses the price of a model that it does not know, and counts such calls', async () => {
      const client = await someone();
      const priced = await ask(client, 'Known [[tokens 20]]');
      const to = priced.conversation.id;
      const unpriced = await ask(client, 'Unknown [[tokens 20]]', { to, generation: { model: 'some-model' } });
      expect(unpriced.turn).toMatchObject({
        model: 'some-model',
        usageTotals: { costUsd: '0.000000', requests: 1, unpricedRequests: 1 },
      });
      expect(unpriced.turn.usage).toMatchObject([
        { isPriced: false, costUsd: '0.000000', source: 'PROVIDER', outputTokens: 20 },
      ]);
      expect((await storyOf(client, unpriced)).finalMessage).toMatchObject({
        estimatedCost: '0.000000',
        tokenCount: 20,
      });
      const { totalCost, totalTokens, usage } = await conversationOf(client, to);
      expect(usage.totals).toMatchObject({ requests: 2, unpricedRequests: 1, costUsd: totalCost, totalTokens });
      expect(totalCost).toBe(priced.turn.usage[0]!.costUsd);
      expect(BigInt(totalTokens)).toBe(
        BigInt(priced.turn.usageTotals.totalTokens) + BigInt(unpriced.turn.usageTotals.totalTokens),
      );
    });

    it("books on nobody else's account", async () => {
      const [client, other] = [await someone(), await someone()];
      await ask(client, '[[say mine]]');
      expect(await viewerOf(other)).toMatchObject({
        totalTokensUsed: '0',
        conversationCount: 0,
        messageCount: 0,
        lastUsedAt: null,
      });
    });
  },
  (setting) => !setting.redis,
);
