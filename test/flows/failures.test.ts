import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { toGlobalId } from '../../src/kernel/global-id.ts';
import { ConversationDocument, RetryDocument } from '../generated/graphql.ts';
import { createWorld, describeSettings, type World } from '../kit/app.ts';
import type { TestClient } from '../kit/client.ts';
import { createReader, sha256 } from '../kit/reader.ts';
import { answerOf, ask, expectType, follow, logOf, type Sent, send, stop, textSoFar, turnOf } from '../kit/story.ts';

/** Nothing that a caller sees may hold the key of the provider. */
const key = 'sk-canary-0123456789abcdef';

type Failure = {
  says: string;
  code: string;
  retryable: boolean;
  message: RegExp;
  /** Calls of the provider that it takes. */
  calls: number;
  /** Whether text had been shown before. */
  partial?: true;
};

const silent = 'PROVIDER_UNAVAILABLE';
const failures: Failure[] = [
  {
    says: '[[fail 401]]',
    code: 'PROVIDER_NOT_CONFIGURED',
    retryable: false,
    message: /check OPENAI_API_KEY/,
    calls: 1,
  },
  { says: '[[fail 402]]', code: silent, retryable: false, message: /billing/, calls: 1 },
  { says: '[[fail 429 insufficient_quota]]', code: silent, retryable: false, message: /billing/, calls: 1 },
  { says: '[[fail 404]]', code: 'INVALID_MODEL', retryable: false, message: /choose another/, calls: 1 },
  { says: '[[fail 400]]', code: silent, retryable: false, message: /check the model/, calls: 1 },
  {
    says: '[[fail 400 context_length_exceeded]]',
    code: 'CONTEXT_TOO_LONG',
    retryable: false,
    message: /shorten it/,
    calls: 1,
  },
  { says: '[[fail 400 content_filter]]', code: 'CONTENT_FILTERED', retryable: false, message: /rephrase/, calls: 1 },
  { says: '[[fail 429 retry-after 0]]', code: silent, retryable: true, message: /wait a little/, calls: 3 },
  { says: '[[fail 500 retry-after 0]]', code: silent, retryable: true, message: /try again/, calls: 3 },
  { says: '[[fail 529 retry-after 0]]', code: silent, retryable: true, message: /overloaded/, calls: 3 },
  { says: '[[fail 429 retry-after 3600]]', code: silent, retryable: true, message: /wait a little/, calls: 1 },
  { says: '[[cut 20]]', code: silent, retryable: true, message: /try again/, calls: 1, partial: true },
  { says: '[[no-finish]]', code: silent, retryable: true, message: /broke off.*try again/, calls: 1, partial: true },
  {
    says: '[[no-finish done]]',
    code: silent,
    retryable: true,
    message: /broke off.*try again/,
    calls: 1,
    partial: true,
  },
  { says: '[[garbage]]', code: silent, retryable: true, message: /try again/, calls: 1, partial: true },
  { says: '[[error 5]]', code: silent, retryable: true, message: /try again/, calls: 1, partial: true },
  { says: '[[stall 10]]', code: silent, retryable: true, message: /fell silent.*try again/, calls: 1, partial: true },
  { says: '[[stall headers]]', code: silent, retryable: true, message: /did not begin.*try again/, calls: 3 },
  { says: '[[html]]', code: silent, retryable: false, message: /check OPENAI_BASE_URL/i, calls: 1 },
  { says: '[[empty]]', code: silent, retryable: true, message: /nothing at all.*try again/, calls: 3 },
];

const embedded = (setting: { storage: { name: string }; redis: boolean }) =>
  setting.storage.name === 'embedded' && !setting.redis;

describeSettings(
  'failures of the provider',
  ({ storage, redis }) => {
    let world: World;
    let alice: TestClient;

    beforeAll(async () => {
      const env = { MODEL_IDLE_TIMEOUT_MS: '700', MODEL_FIRST_TOKEN_TIMEOUT_MS: '700', OPENAI_API_KEY: key };
      world = await createWorld(storage, { redis, env, tokensPerSecond: 2_000 });
      alice = await world.client(await world.start());
    });
    afterAll(() => world.close());

    const callsAbout = (marker: string) =>
      world.model.calls.filter(({ messages }) => messages.at(-1)!.content.includes(marker));
    const readAll = ({ conversation, cursor }: Sent) => follow(alice, { id: conversation.id, after: cursor });

    it.concurrent.each(failures)(
      'a turn whose model says $says fails, and says what to do',
      async ({ says, code, retryable, message, calls, partial }) => {
        const marker = randomUUID();
        const sent = await ask(alice, `${marker} [[tokens 40]] ${says}`);
        const { turn } = sent;
        expect(turn).toMatchObject({ status: 'FAILED', finishReason: 'ERROR', isTerminal: true });
        const __typename =
          (
            { CONTEXT_TOO_LONG: 'ContextTooLongError', CONTENT_FILTERED: 'ContentFilteredError' } as Record<
              string,
              string
            >
          )[code] ?? 'ProviderError';
        expect(turn.error).toMatchObject({ __typename, code, retryable });
        expect(turn.error!.message).toMatch(message);
        expect(callsAbout(marker)).toHaveLength(calls);
        expect(turn.attempts).toHaveLength(calls);
        expect(turn.usage).toHaveLength(calls);
        for (const { outcome } of turn.attempts) expect(outcome).toBe('PROVIDER_ERROR');
        expect(turn.finalMessage).toMatchObject({ status: 'FAILED', finishReason: 'ERROR' });
        expect(turn.finalMessage!.contentLength > 0).toBe(partial ?? false);

        const reader = await readAll(sent);
        expect(reader.finished).toMatchObject([
          { status: 'FAILED', finishReason: 'ERROR', error: { code, retryable, message: turn.error!.message } },
        ]);
        expect(textSoFar(reader)).toBe(turn.finalMessage!.content ?? '');
        expect(reader.of('MessageCompletedEvent')).toMatchObject([
          { contentSha256: sha256(textSoFar(reader)), finishReason: 'ERROR' },
        ]);
        const log = await logOf(alice, turn.id);
        expect(log.filter(({ __typename }) => __typename === 'TurnFinishedEvent')).toHaveLength(1);
        expect(JSON.stringify([sent, reader.events, log])).not.toMatch(/sk-canary|The script says so|node_modules/);
      },
    );

    it('keeps exactly the text that readers saw before the connection was cut', async () => {
      const { turn } = await ask(alice, '[[tokens 60]] [[cut 20]]');
      const words = turn.finalMessage!.content!.split(' ');
      expect(words.every((word, at) => word === `word${at + 1}`)).toBe(true);
      expect(words.length).toBeGreaterThan(0);
      expect(words.length).toBeLessThanOrEqual(20);
      expect(turn.usage).toMatchObject([{ source: 'ESTIMATED', outputTokens: expect.any(Number) }]);
      expect(turn.usage[0]!.outputTokens).toBeGreaterThan(0);
    });

    it('tries again what may pass, with an attempt and a row of the ledger for each call', async () => {
      const marker = randomUUID();
      const sent = await ask(alice, `${marker} [[say well]] [[fail 429 retry-after 0 times 2]]`);
      expect(sent.turn).toMatchObject({
        status: 'COMPLETED',
        error: null,
        attempt: 3,
        finalMessage: { content: 'well' },
      });
      expect(sent.turn.attempts.map(({ number, outcome }) => [number, outcome])).toEqual([
        [1, 'PROVIDER_ERROR'],
        [2, 'PROVIDER_ERROR'],
        [3, 'COMPLETED'],
      ]);
      expect(sent.turn.usage).toMatchObject([
        { source: 'ESTIMATED', totalTokens: 0 },
        { source: 'ESTIMATED', totalTokens: 0 },
        { source: 'PROVIDER', outputTokens: 1 },
      ]);
      expect(sent.turn.usageTotals.requests).toBe(3);
      const reader = await readAll(sent);
      expect(reader.of('UsageRecordedEvent')).toHaveLength(3);
      expect(reader.of('TextDeltaEvent')).toMatchObject([{ attempt: 3, offset: 0, text: 'well' }]);
      expect(callsAbout(marker)).toHaveLength(3);
    });

    it('waits as long as the provider asks before it tries again', async () => {
      const marker = randomUUID();
      await ask(alice, `${marker} [[say well]] [[fail 503 retry-after 1 times 1]]`);
      const [first, second] = callsAbout(marker);
      expect(second!.startedAt - first!.finishedAt!).toBeGreaterThanOrEqual(950);
    });

    it.each([
      ['[[filter]]', 'CONTENT_FILTER'],
      ['[[length]]', 'LENGTH'],
      ['[[say all of it]]', 'STOP'],
    ])('an answer that ends with a reason is complete, and carries it: %s', async (says, finishReason) => {
      const sent = await ask(alice, `[[tokens 20]] ${says}`);
      expect(sent.turn).toMatchObject({ status: 'COMPLETED', finishReason, error: null });
      expect(sent.turn.finalMessage).toMatchObject({ status: 'COMPLETE', finishReason });
      expect(sent.turn.finalMessage!.contentLength).toBeGreaterThan(0);
      expect((await readAll(sent)).of('MessageCompletedEvent')).toMatchObject([{ finishReason }]);
    });

    it("keeps a model's refusal as a part of its own", async () => {
      const { turn } = await ask(alice, '[[refuse]]');
      expect(turn).toMatchObject({ status: 'COMPLETED', finalMessage: { content: null, contentLength: 0 } });
      expect(turn.finalMessage!.parts).toMatchObject([
        { __typename: 'RefusalPart', index: 0, text: expect.stringMatching(/^I am sorry/) },
      ]);
    });

    it('streams reasoning apart from the answer, and keeps both', async () => {
      const sent = await ask(alice, '[[reasoning]] [[say the answer]]');
      const { parts, content } = sent.turn.finalMessage!;
      expect(parts).toMatchObject([
        { __typename: 'ReasoningPart', index: 0 },
        { __typename: 'TextPart', index: 1, text: 'the answer' },
      ]);
      expect(content).toBe('the answer');
      const reader = await readAll(sent);
      const thought = reader.of('ReasoningDeltaEvent');
      expect(thought.map(({ text }) => text).join('')).toBe((parts[0] as { text: string }).text);
      expect(reader.text(answerOf(reader))).toBe(`${(parts[0] as { text: string }).text}the answer`);
      expect(reader.of('MessageCompletedEvent')).toMatchObject([{ contentSha256: sha256('the answer') }]);
    });

    it('estimates what a provider does not count, and says so', async () => {
      const { turn } = await ask(alice, '[[no-usage]] [[say one two three]]');
      expect(turn).toMatchObject({ status: 'COMPLETED', usage: [{ source: 'ESTIMATED', outputTokens: 3 }] });
      expect(turn.usage[0]!.inputTokens).toBeGreaterThan(3);
    });

    it('joins an emoji that the provider sends in halves, and never shows half of it', async () => {
      const { turn, conversation, cursor } = await send(alice, '[[surrogates]] [[speed 5]]');
      const reader = createReader();
      await follow(alice, { id: conversation.id, after: cursor, coalesceMs: 0 }, undefined, reader);
      for (const { text } of reader.of('TextDeltaEvent')) expect(text.isWellFormed()).toBe(true);
      expect(textSoFar(reader)).toBe('Half 🚀 and half.');
      expect(await turnOf(alice, turn.id)).toMatchObject({
        status: 'COMPLETED',
        finalMessage: { content: 'Half 🚀 and half.' },
      });
    });
  },
  embedded,
);

describeSettings(
  'retry',
  ({ storage, redis }) => {
    let world: World;
    let alice: TestClient;

    beforeAll(async () => {
      world = await createWorld(storage, { redis, tokensPerSecond: 2_000 });
      alice = await world.client(await world.start());
    });
    afterAll(() => world.close());

    /** The model cuts the first answer to each message and gives the others whole. */
    function cutFirst(): void {
      const met = new Set<string>();
      world.model.setScript(({ messages }) => {
        const question = messages.at(-1)!.content;
        if (met.has(question)) return null;
        met.add(question);
        return [{ do: 'cut', after: 5 }];
      });
    }

    const tryRetry = async (turnId: string, retryKey: string = randomUUID(), client = alice) =>
      (await client.request(RetryDocument, { turnId, key: retryKey })).retryTurn;
    const retry = async (turnId: string, retryKey?: string) =>
      expectType(await tryRetry(turnId, retryKey), 'TurnSuccess');
    const messagesOf = async (id: string) =>
      (await alice.request(ConversationDocument, { id, first: 50 })).conversation!;

    it('answers the same message again, and the new answer takes the place of the failed one', async () => {
      cutFirst();
      const failed = await ask(alice, `Please [[tokens 30]] ${randomUUID()}`);
      const { id } = failed.conversation;
      expect(failed.turn.status).toBe('FAILED');
      const { turn, cursor } = await retry(failed.turn.id);
      expect(turn).toMatchObject({ trigger: 'RETRY' });
      expect(turn.id).not.toBe(failed.turn.id);
      const reader = await follow(alice, { id, after: cursor });
      expect(reader.of('MessageUpdatedEvent')).toMatchObject([
        { message: { id: failed.turn.finalMessage!.id, status: 'SUPERSEDED' }, changed: ['status'] },
      ]);
      const after = await messagesOf(id);
      expect(after.messages.edges.map(({ node }) => [node.role, node.status])).toEqual([
        ['USER', 'COMPLETE'],
        ['ASSISTANT', 'COMPLETE'],
      ]);
      expect(after.messages.edges[1]!.node).toMatchObject({
        id: answerOf(reader),
        content: textSoFar(reader),
        turn: { id: turn.id },
      });
      expect(after.messages.edges[1]!.node.content).toMatch(/word30$/);
      expect(after).toMatchObject({ messageCount: 2, messages: { totalCount: 2 }, usage: { totals: { requests: 2 } } });
      expect(await turnOf(alice, failed.turn.id)).toMatchObject({ status: 'FAILED', usage: [{ source: 'ESTIMATED' }] });
      const last = world.model.calls.at(-1)!;
      expect(last.messages.map(({ role }) => role)).toEqual(['user']);
      world.model.setScript(null);
    });

    it('runs a stopped turn again', async () => {
      const { turn, conversation, cursor } = await send(alice, '[[say one two]] [[hold]]');
      await follow(alice, { id: conversation.id, after: cursor }, (reader) => textSoFar(reader) !== '');
      await stop(alice, turn.id);
      const again = await retry(turn.id);
      await follow(alice, { id: conversation.id, after: again.cursor }, (reader) => textSoFar(reader) !== '');
      world.model.release();
      await expect.poll(async () => (await turnOf(alice, again.turn.id)).finalMessage?.content).toBe('one two');
      expect((await messagesOf(conversation.id)).messages.totalCount).toBe(2);
    });

    it('makes one new turn of many retries with one key', async () => {
      cutFirst();
      const marker = randomUUID();
      const failed = await ask(alice, `${marker} [[tokens 30]]`);
      const retryKey = randomUUID();
      const results = await Promise.all(Array.from({ length: 8 }, () => retry(failed.turn.id, retryKey)));
      expect(new Set(results.map(({ turn }) => turn.id)).size).toBe(1);
      await expect.poll(async () => (await turnOf(alice, results[0]!.turn.id)).status).toBe('COMPLETED');
      expect(await retry(failed.turn.id, retryKey)).toMatchObject({
        turn: { id: results[0]!.turn.id, status: 'COMPLETED' },
      });
      expect(world.model.calls.filter(({ messages }) => messages.at(-1)!.content.includes(marker))).toHaveLength(2);
      world.model.setScript(null);
    });

    describe('refuses to run again', () => {
      const refusal = { __typename: 'ConflictError', code: 'CONFLICT' };

      it('a turn that completed, one that runs, and one that is not the newest', async () => {
        const done = await ask(alice, '[[say done]]');
        expect(await tryRetry(done.turn.id)).toMatchObject({ ...refusal, message: expect.stringMatching(/COMPLETED/) });

        const failed = await ask(alice, '[[fail 401]]');
        const to = failed.conversation.id;
        const running = await send(alice, '[[hold]]', { to });
        await follow(alice, { id: to, after: running.cursor }, (reader) => textSoFar(reader) !== '');
        expect(await tryRetry(running.turn.id)).toMatchObject({
          ...refusal,
          message: expect.stringMatching(/RUNNING/),
        });
        expect(await tryRetry(failed.turn.id)).toMatchObject({ ...refusal, message: expect.stringMatching(/newest/) });
        await stop(alice, running.turn.id);
        expect(world.model.calls.at(-1)!.messages.at(-1)!.content).toBe('[[hold]]');
      });

      it('with the key of a send, or with no key', async () => {
        const sendKey = randomUUID();
        const failed = await ask(alice, '[[fail 401]]', { key: sendKey });
        expect(await tryRetry(failed.turn.id, sendKey)).toMatchObject({
          __typename: 'IdempotencyConflictError',
          code: 'IDEMPOTENCY_CONFLICT',
        });
        expect(await tryRetry(failed.turn.id, '')).toMatchObject({
          __typename: 'ValidationError',
          issues: [{ path: ['idempotencyKey'] }],
        });
      });

      it("another's turn, just as one that does not exist", async () => {
        const failed = await ask(alice, '[[fail 401]]');
        const bob = await world.client(alice.url, 'bob');
        const foreign = await tryRetry(failed.turn.id, randomUUID(), bob);
        expect(foreign).toMatchObject({ __typename: 'NotFoundError', code: 'NOT_FOUND' });
        expect(await tryRetry(toGlobalId('Turn', randomUUID()), randomUUID(), bob)).toEqual(foreign);
      });
    });
  },
  (setting) => !setting.redis,
);
