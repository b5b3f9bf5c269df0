import { afterAll, beforeAll, expect, it } from 'vitest';
import type { App } from '../../src/app/build-app.ts';
import type { Step } from '../../src/providers/scripted/script.ts';
import { CreateDocument, GenerateTitleDocument, TitledDocument, UpdateDocument } from '../generated/graphql.ts';
import { createWorld, describeSettings, type World } from '../kit/app.ts';
import type { TestClient } from '../kit/client.ts';
import { ask, expectType, follow, send, turnOf } from '../kit/story.ts';
import { until } from '../kit/until.ts';

describeSettings('a title', ({ storage, redis }) => {
  let world: World;
  let app: App;
  let alice: TestClient;

  beforeAll(async () => {
    world = await createWorld(storage, { redis, env: { TITLES: 'true' } });
    app = await world.start();
    alice = await world.client(app);
  });
  afterAll(() => world.close());

  const titled = async (id: string) => (await alice.request(TitledDocument, { id })).conversation!;
  const generate = async (id: string, client = alice) =>
    (await client.request(GenerateTitleDocument, { id })).generateTitle;
  const generated = (id: string) =>
    until(async () => ((await titled(id)).titleSource === 'GENERATED' ? titled(id) : null));
  const callsFor = (marker: string) =>
    world.model.calls.filter(
      ({ messages }) => messages[0]!.role === 'system' && messages.at(-1)!.content.includes(marker),
    );

  it('is the beginning of the first message at once, and that of a model after the first answer, booked as TITLE', async () => {
    const sent = await send(alice, 'Explain Darjeeling brewing [[tokens 5]]');
    const to = sent.conversation.id;
    expect(sent.conversation.title).toContain('Explain Darjeeling brewing');
    const { title, usage, totalTokens } = await generated(to);
    expect(title).toBe('About Darjeeling, brewing');
    expect(usage.nodes.map(({ kind }) => kind).sort()).toEqual(['CHAT', 'TITLE']);
    expect(usage.nodes.find(({ kind }) => kind === 'TITLE')).toMatchObject({ source: 'PROVIDER', turn: null });
    expect(Number(totalTokens)).toBe(usage.nodes.reduce((sum, node) => sum + node.totalTokens, 0));
    expect((await turnOf(alice, sent.turn.id)).usage).toHaveLength(1);
    const isTold = (reader: Parameters<NonNullable<Parameters<typeof follow>[2]>>[0]) =>
      reader
        .of('ConversationUpdatedEvent')
        .some(({ changed, conversation }) => changed.includes('titleSource') && conversation.title === title);
    await follow(alice, { id: to, after: sent.cursor }, isTold);
  });

  /** Waits for the title of another conversation: one that was to be made before it is made by then. */
  const laterTitle = async () => generated((await ask(alice, 'Something else [[tokens 5]]')).conversation.id);

  it('is made once, and not again by what is said later', async () => {
    const first = await ask(alice, 'Compare Oolong cultivars [[tokens 5]]');
    await generated(first.conversation.id);
    await ask(alice, 'And Sencha? [[tokens 5]]', { to: first.conversation.id });
    await laterTitle();
    expect(callsFor('Oolong')).toHaveLength(1);
    expect((await titled(first.conversation.id)).title).toBe('About Compare, Oolong, cultivars');
  });

  it('that the user gave stays, before the answer and while the model thinks about one', async () => {
    const { createConversation } = await alice.request(CreateDocument, { input: { title: 'My own' } });
    const own = expectType(createConversation, 'ConversationSuccess').conversation.id;
    await ask(alice, 'Praise Matcha [[tokens 5]]', { to: own });
    expect(await titled(own)).toMatchObject({ title: 'My own', titleSource: 'USER' });
    await laterTitle();
    expect(await titled(own)).toMatchObject({ title: 'My own', titleSource: 'USER' });
    expect(callsFor('Matcha')).toEqual([]);
    world.model.setScript(({ messages }): Step[] =>
      messages[0]!.role === 'system' && messages.at(-1)!.content.includes('Rooibos') ? [{ do: 'hold' }] : [],
    );
    const late = await ask(alice, 'Praise Rooibos [[tokens 5]]');
    await until(() => callsFor('Rooibos').length === 1);
    await alice.request(UpdateDocument, { input: { id: late.conversation.id, title: 'Named meanwhile' } });
    await until(async () => {
      world.model.release();
      return (await titled(late.conversation.id)).usage.nodes.some(({ kind }) => kind === 'TITLE');
    });
    expect(await titled(late.conversation.id)).toMatchObject({ title: 'Named meanwhile', titleSource: 'USER' });
    world.model.setScript(null);
  });

  it('is made anew when the user asks, in place of any other', async () => {
    const { createConversation } = await alice.request(CreateDocument, { input: { title: 'My own' } });
    const own = expectType(createConversation, 'ConversationSuccess').conversation.id;
    expect(await generate(own)).toMatchObject({ __typename: 'ConflictError' }); // nothing was said yet
    await ask(alice, 'Describe Lapsang Souchong [[tokens 5]]', { to: own });
    const made = expectType(await generate(own), 'ConversationSuccess');
    expect(made.conversation).toMatchObject({ title: 'About Describe, Lapsang, Souchong', titleSource: 'GENERATED' });
  });

  it('that cannot be made is said, is accounted, and changes nothing', async () => {
    const { createConversation } = await alice.request(CreateDocument, { input: { title: 'My own' } });
    const own = expectType(createConversation, 'ConversationSuccess').conversation.id;
    await ask(alice, 'Describe Gunpowder [[tokens 5]]', { to: own });
    world.model.setScript(({ messages }): Step[] =>
      messages[0]!.role === 'system' ? [{ do: 'fail', status: 401 }] : [],
    );
    expect(await generate(own)).toMatchObject({ __typename: 'ProviderError', code: 'PROVIDER_NOT_CONFIGURED' });
    expect(await titled(own)).toMatchObject({
      title: 'My own',
      usage: { nodes: [{ totalTokens: 0 }, { kind: 'CHAT' }] },
    });
    world.model.setScript(null);
    expectType(await generate(own), 'ConversationSuccess');
  });
});
