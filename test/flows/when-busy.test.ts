import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, expect, it } from 'vitest';
import type { App } from '../../src/app/build-app.ts';
import {
  CancelQueuedDocument,
  ConversationDocument,
  EditMessageDocument,
  ForkDocument,
  RegenerateDocument,
  SelectBranchDocument,
  TreeDocument,
  type WhenBusy,
} from '../generated/graphql.ts';
import { describeSettings, type World } from '../kit/app.ts';
import type { TestClient } from '../kit/client.ts';
import { joinWorld } from '../kit/shared-world.ts';
import { ask, expectType, follow, send, stop, textSoFar, trySend, turnOf } from '../kit/story.ts';
import { until } from '../kit/until.ts';

describeSettings('a message that meets a turn that is not done', ({ storage, redis }) => {
  let world: World;
  let app: App;
  let alice: TestClient;

  beforeAll(async () => {
    world = await joinWorld(storage, redis);
    app = await world.start();
    alice = await world.client(app);
  });
  afterAll(() => world.close());

  const tree = async (id: string) => (await alice.request(TreeDocument, { id })).conversation!;
  const plain = (text: string | null | undefined) => (text ?? '').replace(/ ?\[\[.*?\]\]/g, '');
  const shown = async (id: string) => (await tree(id)).messages.nodes.map(({ content }) => plain(content));
  const ended = (turnId: string) =>
    until(async () => ((await turnOf(alice, turnId)).isTerminal ? turnOf(alice, turnId) : null));
  /** What the model was shown when it was asked this. */
  const told = (marker: string) =>
    world.model.calls
      .filter(({ messages }) => messages.at(-1)!.content.includes(marker))
      .map(({ messages }) => messages.map(({ content }) => plain(content)));

  /** A conversation with one exchange, a turn that is being answered, and others that wait. */
  async function busy(...waiting: string[]) {
    const first = await ask(alice, 'Before [[say done]]');
    const to = first.conversation.id;
    const live = await send(alice, 'Live [[say partial and more]] [[hold]]', { to });
    await follow(alice, { id: to, after: live.cursor }, (reader) => textSoFar(reader) !== '');
    const queued = [];
    for (const text of waiting) queued.push(await send(alice, text, { to }));
    return { to, live, queued };
  }

  const sendWhen = (whenBusy: WhenBusy, to: string, text: string, key: string = randomUUID()) =>
    send(alice, text, { to, whenBusy, key });

  const select = (conversationId: string, leafId: string) =>
    alice.request(SelectBranchDocument, { conversationId, leafId });
  async function regenerate(messageId: string): Promise<string> {
    const made = (await alice.request(RegenerateDocument, { input: { messageId, idempotencyKey: randomUUID() } }))
      .regenerate;
    return expectType(made, 'SendMessageSuccess').turn.id;
  }
  /** Something else in place of a message, which nobody answers. */
  async function noted(messageId: string, text: string) {
    const input = { messageId, content: { text }, idempotencyKey: randomUUID(), rerun: false };
    return expectType((await alice.request(EditMessageDocument, { input })).editMessage, 'SendMessageSuccess')
      .userMessage!;
  }

  it('is refused with REJECT, and told which turn is in its way', async () => {
    const { to, live } = await busy();
    const refused = expectType(await trySend(alice, 'Not now', { to, whenBusy: 'REJECT' }), 'TurnInProgressError');
    expect(refused).toMatchObject({
      code: 'TURN_IN_PROGRESS',
      retryable: true,
      activeTurn: { id: live.turn.id, status: 'RUNNING' },
    });
    world.model.release();
    await ended(live.turn.id);
    const { turn } = await sendWhen('REJECT', to, 'Now [[say yes]]');
    expect(await ended(turn.id)).toMatchObject({ status: 'COMPLETED' });
    expect(await shown(to)).toEqual(['Before', 'done', 'Live', 'partial and more', 'Now', 'yes']);
  });

  it('with INTERRUPT stops what runs and keeps it, and reads what waited', async () => {
    const { to, live, queued } = await busy('Waits [[say never]]');
    const marker = randomUUID();
    const { turn } = await sendWhen('INTERRUPT', to, `Instead ${marker} [[say at once]]`);
    expect(await ended(turn.id)).toMatchObject({ status: 'COMPLETED', finalMessage: { content: 'at once' } });
    expect(await turnOf(alice, live.turn.id)).toMatchObject({ status: 'CANCELLED', finishReason: 'USER_STOPPED' });
    expect(await turnOf(alice, queued[0]!.turn.id)).toMatchObject({ status: 'CANCELLED', attempt: 0 });
    const partial = (await turnOf(alice, live.turn.id)).finalMessage!.content!;
    expect('partial and more'.startsWith(partial) && partial.length > 0).toBe(true);
    expect(told(marker)).toEqual([['Before', 'done', 'Live', partial, 'Waits', `Instead ${marker}`]]);
    expect(await shown(to)).toEqual(['Before', 'done', 'Live', partial, 'Waits', '', `Instead ${marker}`, 'at once']);
  });

  it('with ROLLBACK goes on as if what was not done had never been', async () => {
    const { to, live, queued } = await busy('Waits [[say never]]');
    const marker = randomUUID();
    const sent = await sendWhen('ROLLBACK', to, `Instead ${marker} [[say afresh]]`);
    expect(await ended(sent.turn.id)).toMatchObject({ status: 'COMPLETED' });
    for (const { turn } of [live, ...queued])
      expect(await turnOf(alice, turn.id)).toMatchObject({ status: 'SUPERSEDED', finishReason: 'SUPERSEDED' });
    expect(told(marker)).toEqual([['Before', 'done', `Instead ${marker}`]]);
    expect(await shown(to)).toEqual(['Before', 'done', `Instead ${marker}`, 'afresh']);
    expect((await turnOf(alice, live.turn.id)).usage).toHaveLength(1); // what was used is paid
    const { messageCount, allMessages, messages } = await tree(to);
    expect(messageCount).toBe(4);
    expect(allMessages.nodes.filter(({ status }) => status === 'SUPERSEDED')).toHaveLength(4);
    expect(messages.nodes[1]!.children).toEqual([{ id: messages.nodes[2]!.id }]);
    const reader = await follow(alice, { id: to, after: live.cursor }, (each) => each.finished.length === 3);
    expect(reader.finished.map(({ status }) => status).sort()).toEqual(['COMPLETED', 'SUPERSEDED', 'SUPERSEDED']);
    expect(reader.of('BranchSelectedEvent').map(({ leaf }) => leaf.id)).toEqual([messages.nodes[3]!.id]);
  });

  it('with ROLLBACK of the first turn of all begins the conversation anew', async () => {
    const first = await send(alice, 'A bad beginning [[hold]]');
    const to = first.conversation.id;
    await follow(alice, { id: to, after: first.cursor }, (reader) => textSoFar(reader) !== '');
    const { turn } = await sendWhen('ROLLBACK', to, 'A good beginning [[say good]]');
    await ended(turn.id);
    expect(await shown(to)).toEqual(['A good beginning', 'good']);
    expect((await tree(to)).title).toContain('A good beginning');
  });

  it('with ROLLBACK of a turn that somebody stops or that is done first still leaves one tree', async () => {
    const { to, live } = await busy();
    const [, sent] = await Promise.all([
      stop(alice, live.turn.id).catch(() => null),
      sendWhen('ROLLBACK', to, 'Instead [[say afresh]]'),
      world.model.release(),
    ]);
    await ended(sent.turn.id);
    const gone = await turnOf(alice, live.turn.id);
    const texts = await shown(to);
    if (gone.status === 'SUPERSEDED') expect(texts).toEqual(['Before', 'done', 'Instead', 'afresh']);
    else expect(texts).toEqual(['Before', 'done', 'Live', gone.finalMessage!.content, 'Instead', 'afresh']);
  });

  it('with ROLLBACK shows again what was shown before, also where that was an older branch', async () => {
    const first = await ask(alice, 'One [[say a1]]');
    const to = first.conversation.id;
    await ask(alice, 'Two [[say a2]]', { to });
    const [q1, a1] = (await tree(to)).messages.nodes;
    const again = await regenerate(q1!.id);
    await ended(again);
    const { messages } = await tree(to);
    await select(to, a1!.id); // back to the older branch, with its second exchange
    const third = await send(alice, 'Three [[hold]]', { to });
    await follow(alice, { id: to, after: third.cursor }, (reader) => textSoFar(reader) !== '');
    const other = await regenerate(messages.nodes[1]!.id);
    expect((await turnOf(alice, other)).status).toBe('QUEUED');
    const { turn } = await sendWhen('ROLLBACK', to, 'Four [[say a4]]');
    await ended(turn.id);
    expect(await shown(to)).toEqual(['One', 'a1', 'Two', 'a2', 'Four', 'a4']);
  });

  it('with ROLLBACK a second time goes on where the first one led, though what it took back is not over', async () => {
    const { to, live } = await busy();
    const taken = await sendWhen('ROLLBACK', to, 'Never mind [[hold]]');
    await alice.request(CancelQueuedDocument, { turnId: taken.turn.id }).catch(() => null);
    const { turn } = await sendWhen('ROLLBACK', to, 'At last [[say at last]]');
    await ended(turn.id);
    await ended(live.turn.id);
    const texts = await shown(to);
    expect(texts.slice(0, 2)).toEqual(['Before', 'done']);
    expect(texts.slice(-2)).toEqual(['At last', 'at last']);
    expect(texts).not.toContain('Live');
  });

  it('with ROLLBACK takes back what follows it, too, so that nothing hangs on what is gone', async () => {
    const { to } = await busy('Taken back by hand');
    const { queuedTurns } = (await alice.request(ConversationDocument, { id: to })).conversation!;
    await alice.request(CancelQueuedDocument, { turnId: queuedTurns[0]!.id });
    const { turn } = await sendWhen('ROLLBACK', to, 'Instead [[say afresh]]');
    await ended(turn.id);
    const { messages, allMessages } = await tree(to);
    expect(messages.nodes.map(({ content }) => plain(content))).toEqual(['Before', 'done', 'Instead', 'afresh']);
    expect(allMessages.nodes.filter(({ status }) => status !== 'SUPERSEDED')).toHaveLength(4);
    expect(messages.nodes[1]!.children).toHaveLength(1);
  });

  it('with MERGE goes to the branch that is shown, and leaves alone what waits on another', async () => {
    const { to, queued } = await busy('Waits [[say waited]]');
    const { nodes } = (await tree(to)).messages;
    await select(to, (await noted(nodes[0]!.id, 'Another beginning')).id);
    const { turn } = await sendWhen('MERGE', to, 'Here [[say here]]');
    world.model.release();
    await ended(turn.id);
    expect(await shown(to)).toEqual(['Another beginning', 'Here', 'here']);
    expect(await ended(queued[0]!.turn.id)).toMatchObject({ status: 'COMPLETED' });
  });

  it('with ROLLBACK of another answer leaves its question alone, also in a copy', async () => {
    const source = await ask(alice, 'Begin [[tokens 3]]');
    const { nodes } = (await tree(source.conversation.id)).messages;
    const made = (await alice.request(ForkDocument, { id: source.conversation.id, fromMessageId: nodes[1]!.id }))
      .forkConversation;
    const to = expectType(made, 'ConversationSuccess').conversation.id;
    const live = await send(alice, 'Live [[hold]]', { to });
    await follow(alice, { id: to, after: live.cursor }, (reader) => textSoFar(reader) !== '');
    await regenerate((await tree(to)).messages.nodes[1]!.id);
    const { turn } = await sendWhen('ROLLBACK', to, 'Instead [[say afresh]]');
    await ended(turn.id);
    const after = await tree(to);
    expect(after.messages.nodes.map(({ content }) => plain(content))).toEqual([
      'Begin',
      'word1 word2 word3',
      'Instead',
      'afresh',
    ]);
    expect(after.messageCount).toBe(4);
  });

  it('with MERGE becomes one with those that wait', async () => {
    const { to, live, queued } = await busy('First', 'Second');
    const marker = randomUUID();
    const key = randomUUID();
    const sent = await sendWhen('MERGE', to, `Third ${marker} [[say all three]]`, key);
    expect((await sendWhen('MERGE', to, `Third ${marker} [[say all three]]`, key)).turn.id).toBe(sent.turn.id);
    world.model.release();
    await ended(sent.turn.id);
    for (const { turn } of queued) expect(await turnOf(alice, turn.id)).toMatchObject({ status: 'SUPERSEDED' });
    expect(await turnOf(alice, live.turn.id)).toMatchObject({ status: 'COMPLETED' });
    expect(told(marker)).toEqual([
      ['Before', 'done', 'Live', 'partial and more', `First\n\nSecond\n\nThird ${marker}`],
    ]);
    expect((await shown(to)).slice(4)).toEqual([`First\n\nSecond\n\nThird ${marker}`, 'all three']);
  });

  it('with MERGE waits its turn where nothing else does', async () => {
    const { to } = await busy();
    const { turn } = await sendWhen('MERGE', to, 'Alone [[say alone]]');
    world.model.release();
    await ended(turn.id);
    expect((await shown(to)).slice(4)).toEqual(['Alone', 'alone']);
  });

  it.each(['ENQUEUE', 'REJECT', 'INTERRUPT', 'ROLLBACK', 'MERGE'] as const)(
    'with %s is sent as it is where all is done',
    async (whenBusy) => {
      const first = await ask(alice, 'Before [[say done]]');
      const { turn } = await sendWhen(whenBusy, first.conversation.id, 'After [[say too]]');
      await ended(turn.id);
      expect(await shown(first.conversation.id)).toEqual(['Before', 'done', 'After', 'too']);
    },
  );

  it('can be taken back as long as it waits', async () => {
    const { to, live, queued } = await busy('First [[say never]]', 'Second [[say second]]');
    const cancel = async (turnId: string) => (await alice.request(CancelQueuedDocument, { turnId })).cancelQueuedTurn;
    expect(await cancel(queued[0]!.turn.id)).toMatchObject({
      __typename: 'TurnSuccess',
      turn: { status: 'CANCELLED' },
    });
    expect(await turnOf(alice, queued[1]!.turn.id)).toMatchObject({ queuePosition: 1 });
    expect(await cancel(live.turn.id)).toMatchObject({ __typename: 'ConflictError' });
    expect(await cancel(queued[0]!.turn.id)).toMatchObject({ __typename: 'ConflictError' });
    world.model.release();
    await ended(queued[1]!.turn.id);
    expect((await shown(to)).slice(4)).toEqual(['First', '', 'Second', 'second']);
  });
});
