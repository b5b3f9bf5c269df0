import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, expect, it } from 'vitest';
import {
  ConversationSummaryDocument,
  EditMessageDocument,
  PreviewDocument,
  TurnContextDocument,
} from '../generated/graphql.ts';
import { createWorld, describeSettings, type World } from '../kit/app.ts';
import type { TestClient } from '../kit/client.ts';
import { ask, follow } from '../kit/story.ts';
import { until } from '../kit/until.ts';

describeSettings('a conversation that has become longer than a model can be shown', ({ storage, redis }) => {
  let world: World;
  let alice: TestClient;

  beforeAll(async () => {
    world = await createWorld(storage, {
      redis,
      tokensPerSecond: 5_000,
      env: { SUMMARIES: 'true', MAX_CONTEXT_MESSAGES: '5' },
    });
    alice = await world.client(await world.start());
  });
  afterAll(() => world.close());

  const summaryOf = async (id: string) => (await alice.request(ConversationSummaryDocument, { id })).conversation!;
  const askedWith = (marker: string) =>
    world.model.calls.filter(({ messages }) => messages.at(-1)!.content.includes(marker)).at(-1)!.messages;

  it('is summarised beside its turns, and the model is shown the summary and the newest exchanges', async () => {
    const first = await ask(alice, 'I am Ada from Bergen [[say ok]]');
    const to = first.conversation.id;
    expect((await summaryOf(to)).contextSummary).toBeNull();
    for (const text of ['My boat is green', 'The harbour is small', 'The storm comes tomorrow'])
      await ask(alice, `${text} [[say ok]]`, { to });
    const { contextSummary, usage } = await until(async () => {
      const found = await summaryOf(to);
      return found.contextSummary ? found : null;
    }, 'a summary');
    expect(contextSummary).toContain('Bergen');
    expect(usage.nodes.map(({ kind }) => kind).filter((kind) => kind === 'SUMMARY')).toHaveLength(1);

    const marker = randomUUID();
    const preview = (
      await alice.request(PreviewDocument, { id: to, draft: { text: `${marker} And now? [[say Now.]]` } })
    ).previewContext;
    const sent = await ask(alice, `${marker} And now? [[say Now.]]`, { to });
    const [system, ...rest] = askedWith(marker);
    expect(system).toEqual({ role: 'system', content: `What was said before, in short:\n${contextSummary}` });
    expect(preview.systemPrompt).toBe(system!.content);
    expect(rest[0]!.role).toBe('user');
    expect(rest.every(({ content }) => !content.includes('Bergen'))).toBe(true);

    const { context } = (await alice.request(TurnContextDocument, { id: sent.turn.id })).turn!;
    expect(context!.systemPrompt).toBe(system!.content);
    expect(context!.totalTokens).toBe(preview.totalTokens);
    const reader = await follow(alice, { id: to, after: sent.cursor });
    const [truncated] = reader.of('ContextTruncatedEvent');
    expect(truncated).toMatchObject({ droppedMessages: 0 });
    expect(truncated!.summarisedMessages).toBeGreaterThan(0);
  });

  it('has a summary of its own on each branch that leaves before the end of another', async () => {
    const first = await ask(alice, 'Apples [[say ok]]');
    const to = first.conversation.id;
    for (const text of ['Pears', 'Plums', 'Figs']) await ask(alice, `${text} [[say ok]]`, { to });
    const { contextSummary } = await until(async () => {
      const found = await summaryOf(to);
      return found.contextSummary ? found : null;
    }, 'a summary');
    expect(contextSummary).toContain('Apples');
    const { editMessage } = await alice.request(EditMessageDocument, {
      input: { messageId: first.userMessage!.id, content: { text: 'Nuts [[say ok]]' }, idempotencyKey: randomUUID() },
    });
    expect(editMessage.__typename).toBe('SendMessageSuccess');
    expect((await summaryOf(to)).contextSummary).toBeNull();
  });
});
