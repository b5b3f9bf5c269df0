import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, expect, it } from 'vitest';
import type { App } from '../../src/app/build-app.ts';
import {
  PreviewDocument,
  RegenerateDocument,
  SteerDocument,
  TreeDocument,
  TurnContextDocument,
} from '../generated/graphql.ts';
import { createWorld, describeSettings, type World } from '../kit/app.ts';
import type { TestClient } from '../kit/client.ts';
import { ask, expectType, follow, send, stop, trySend, turnOf } from '../kit/story.ts';

/** 8,192 tokens, of which a quarter is kept for the answer and 500 for differences. */
const small = 'gpt-4';
const limit = 8_192 - 2_048 - 500;
const words = (count: number, marker: string) => `${marker} ${'word '.repeat(count)}`.trim();

describeSettings('what a model is shown', ({ storage, redis }) => {
  let world: World;
  let app: App;
  let alice: TestClient;

  beforeAll(async () => {
    world = await createWorld(storage, {
      redis,
      env: { OPENAI_MODELS: small, MAX_CONTEXT_MESSAGES: '7', MODEL_MAX_RETRIES: '0', MAX_QUERY_OBJECTS: '100000' },
    });
    app = await world.start();
    alice = await world.client(app);
  });
  afterAll(() => world.close());

  const callOf = (marker: string) =>
    world.model.calls.filter(({ messages }) => messages.at(-1)!.content.includes(marker));
  const told = (call: { messages: readonly { content: string }[] }) => call.messages.map(({ content }) => content);
  const contextOf = async (id: string) => (await alice.request(TurnContextDocument, { id })).turn!.context;
  const preview = async (id: string, text?: string, generation?: { model?: string; maxTokens?: number }) =>
    (
      await alice.request(PreviewDocument, {
        id,
        draft: text === undefined ? null : { text },
        generation: generation ?? null,
      })
    ).previewContext;
  /** What a report says was shown, as a request would have it. */
  const shownIn = ({ systemPrompt, items }: Awaited<ReturnType<typeof preview>>, draft: string) => [
    ...(systemPrompt ? [systemPrompt] : []),
    ...items.filter(({ decision }) => decision === 'INCLUDED').map(({ message }) => message?.content ?? draft),
  ];

  async function talk(model: string, questions: readonly string[], systemPrompt = '') {
    const first = await ask(alice, questions[0]!, { conversation: { new: { model, systemPrompt } } });
    for (const question of questions.slice(1)) await ask(alice, question, { to: first.conversation.id });
    return first.conversation.id;
  }

  it('is what a preview says: the very messages, tokens and decisions, and the turn keeps them', async () => {
    const to = await talk('gpt-4o-mini', ['One [[say a1]]', 'Two [[say a2]]'], 'Be brief.');
    const draft = `Three ${randomUUID()} [[say a3]]`;
    const before = await preview(to, draft);
    const { turn } = await ask(alice, draft, { to });
    const [call] = callOf(draft);
    expect(shownIn(before, draft)).toEqual(told(call!));
    expect(told(call!)).toEqual(['Be brief.', 'One [[say a1]]', 'a1', 'Two [[say a2]]', 'a2', draft]);
    const after = (await contextOf(turn.id))!;
    expect(shownIn(after, draft)).toEqual(told(call!));
    expect({ ...after, items: [] }).toEqual({ ...before, items: [] });
    expect(after.items.map(({ decision, tokens, reason }) => [decision, tokens, reason])).toEqual(
      before.items.map(({ decision, tokens, reason }) => [decision, tokens, reason]),
    );
    expect(Number(before.estimatedCost)).toBeGreaterThan(0);
    expect(before).toMatchObject({ tokenizer: 'o200k_base', toolSchemasTokens: 0, systemPrompt: 'Be brief.' });
    expect((await preview(to)).items.at(-1)!.message!.content).toBe('a3');
  });

  it('leaves out whole exchanges, the oldest first, where there are too many messages, and says so to every reader', async () => {
    const to = await talk('gpt-4o-mini', ['One [[say a1]]', 'Two [[say a2]]', 'Three [[say a3]]', 'Four [[say a4]]']);
    const draft = `Five ${randomUUID()} [[say a5]]`;
    const before = await preview(to, draft);
    const sent = await ask(alice, draft, { to });
    expect(told(callOf(draft)[0]!)).toEqual([
      'Two [[say a2]]',
      'a2',
      'Three [[say a3]]',
      'a3',
      'Four [[say a4]]',
      'a4',
      draft,
    ]);
    expect(shownIn(before, draft)).toEqual(told(callOf(draft)[0]!));
    const reader = await follow(alice, { id: to, after: sent.cursor });
    const { totalTokens } = (await contextOf(sent.turn.id))!;
    expect(reader.of('ContextTruncatedEvent')).toMatchObject([
      { droppedMessages: 2, summarisedMessages: 0, tokens: totalTokens },
    ]);
    expect((await turnOf(alice, sent.turn.id)).usage).toHaveLength(1);
  });

  it('leaves out what does not fit into the window of the model', async () => {
    const to = await talk(small, [`${words(3_000, 'One')} [[say a1]]`, `${words(2_000, 'Two')} [[say a2]]`]);
    const draft = `${words(2_000, randomUUID())} [[say a3]]`;
    const before = await preview(to, draft);
    expect(before).toMatchObject({ limit });
    expect(before.items.map(({ decision }) => decision)).toEqual([
      'DROPPED',
      'DROPPED',
      'INCLUDED',
      'INCLUDED',
      'INCLUDED',
    ]);
    expect(before.items[0]!.reason).toContain(`do not fit into ${limit} tokens`);
    expect(before.totalTokens).toBeLessThanOrEqual(limit);
    const { turn } = await ask(alice, draft, { to });
    expect(shownIn(before, draft)).toEqual(told(callOf(draft)[0]!));
    expect((await contextOf(turn.id))!.items.map(({ decision }) => decision)).toEqual(
      before.items.map(({ decision }) => decision),
    );
  });

  it('is less where the provider finds it too long after all, once, and the turn keeps what was shown in the end', async () => {
    const to = await talk(small, [`${words(1_500, 'One')} [[say a1]]`, `${words(1_500, 'Two')} [[say a2]]`]);
    const draft = `${words(1_000, randomUUID())} [[window 3]] [[say a3]]`;
    const sent = await ask(alice, draft, { to });
    expect(callOf(draft).map(({ messages }) => messages.length)).toEqual([5, 3]);
    expect(await turnOf(alice, sent.turn.id)).toMatchObject({
      status: 'COMPLETED',
      attempt: 2,
      finalMessage: { content: 'a3' },
    });
    expect(shownIn((await contextOf(sent.turn.id))!, draft)).toEqual(told(callOf(draft)[1]!));
    const reader = await follow(alice, { id: to, after: sent.cursor });
    expect(reader.of('ContextTruncatedEvent').map(({ droppedMessages }) => droppedMessages)).toEqual([2]);
    expect((await turnOf(alice, sent.turn.id)).usage).toHaveLength(2);
  });

  it('fails with the numbers where the provider finds even the least too long', async () => {
    const to = await talk(small, [`${words(3_000, 'One')} [[say a1]]`]);
    const draft = `${words(1_000, randomUUID())} [[window 0]]`;
    const { turn } = await ask(alice, draft, { to });
    expect(callOf(draft)).toHaveLength(2);
    const failed = await turnOf(alice, turn.id);
    expect(failed).toMatchObject({
      status: 'FAILED',
      error: { __typename: 'ContextTooLongError', code: 'CONTEXT_TOO_LONG', retryable: false },
    });
    expect(failed.error!.message).toMatch(/about 1\d{3} tokens where \d+ should fit/);
  });

  it('is refused before it is stored where the message alone is too long, with the numbers', async () => {
    const to = await talk(small, ['One [[say a1]]']);
    const refused = expectType(await trySend(alice, words(6_000, 'Long'), { to }), 'ContextTooLongError');
    expect(refused).toMatchObject({ code: 'CONTEXT_TOO_LONG', limit });
    expect(refused.tokens).toBeGreaterThan(6_000);
    const { messageCount } = (await alice.request(TreeDocument, { id: to, leaf: null })).conversation!;
    expect(messageCount).toBe(2);
    await expect(preview(to, words(6_000, 'Long'))).rejects.toThrow('CONTEXT_TOO_LONG');
    expect((await preview(to, words(6_000, 'Long'), { model: 'gpt-4o-mini' })).items).toHaveLength(3);
  });

  it('is refused where what a turn that runs is told is too long, with the numbers', async () => {
    const { turn } = await send(alice, 'Go on [[hold]]', { conversation: { new: { model: small } } });
    const input = { turnId: turn.id, content: { text: words(6_000, 'Long') }, idempotencyKey: randomUUID() };
    expect((await alice.request(SteerDocument, { input })).steerTurn).toMatchObject({
      __typename: 'ContextTooLongError',
      code: 'CONTEXT_TOO_LONG',
    });
    await stop(alice, turn.id);
  });

  it('is refused by the worker where instructions and message are too long together', async () => {
    const { conversation } = await send(alice, 'Hello [[say hi]]', {
      conversation: { new: { model: small, systemPrompt: words(3_000, 'Rules') } },
    });
    const { turn } = await ask(alice, words(3_000, 'Long'), { to: conversation.id });
    expect(await turnOf(alice, turn.id)).toMatchObject({
      status: 'FAILED',
      error: { __typename: 'ContextTooLongError' },
      usage: [],
    });
    expect(await contextOf(turn.id)).toBeNull();
  });

  it('of a turn stays what it was, whatever is said afterwards and on other branches', async () => {
    const to = await talk('gpt-4o-mini', ['One [[say a1]]']);
    const { turn } = await ask(alice, 'Two [[say a2]]', { to });
    const before = await contextOf(turn.id);
    expect(before).not.toBeNull();
    const { messages } = (await alice.request(TreeDocument, { id: to, leaf: null })).conversation!;
    const input = { messageId: messages.nodes[1]!.id, idempotencyKey: randomUUID() };
    expectType((await alice.request(RegenerateDocument, { input })).regenerate, 'SendMessageSuccess');
    await ask(alice, 'Three [[say a3]]', { to });
    expect(await contextOf(turn.id)).toEqual(before);
  });
});
