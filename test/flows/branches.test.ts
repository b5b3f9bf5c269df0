import { randomUUID } from 'node:crypto';
import { parse } from 'graphql';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { App } from '../../src/app/build-app.ts';
import {
  DeleteDocument,
  EditMessageDocument,
  type EditMessageInput,
  ForkDocument,
  RegenerateDocument,
  SelectBranchDocument,
  TreeDocument,
  type TreeMessageFragment,
} from '../generated/graphql.ts';
import { describeSettings, type World } from '../kit/app.ts';
import type { TestClient } from '../kit/client.ts';
import { joinWorld } from '../kit/shared-world.ts';
import { ask, expectType, follow, send, textSoFar, trySend, turnOf } from '../kit/story.ts';
import { until } from '../kit/until.ts';

describeSettings('branches', ({ storage, redis }) => {
  let world: World;
  let app: App;
  let alice: TestClient;

  beforeAll(async () => {
    world = await joinWorld(storage, redis);
    app = await world.start();
    alice = await world.client(app);
  });
  afterAll(() => world.close());

  const tree = async (id: string, leaf?: string) =>
    (await alice.request(TreeDocument, { id, leaf: leaf ?? null })).conversation!;
  const said = (nodes: readonly TreeMessageFragment[]) => nodes.map(({ content }) => content?.replace(/ ?\[\[.*/, ''));
  const shown = async (id: string, leaf?: string) => said((await tree(id, leaf)).messages.nodes);
  const ended = (turnId: string) => until(async () => (await turnOf(alice, turnId)).isTerminal);

  async function talk(...questions: string[]) {
    const first = await ask(alice, questions[0]!);
    for (const question of questions.slice(1)) await ask(alice, question, { to: first.conversation.id });
    const { messages } = await tree(first.conversation.id);
    return { to: first.conversation.id, nodes: messages.nodes, cursor: first.cursor };
  }

  const tryRegenerate = async (messageId: string, key: string = randomUUID()) =>
    (await alice.request(RegenerateDocument, { input: { messageId, idempotencyKey: key } })).regenerate;
  const tryEdit = async (messageId: string, text: string, more: Partial<EditMessageInput> = {}) =>
    (
      await alice.request(EditMessageDocument, {
        input: { messageId, content: { text }, idempotencyKey: randomUUID(), ...more },
      })
    ).editMessage;
  async function regenerate(messageId: string) {
    const made = expectType(await tryRegenerate(messageId), 'SendMessageSuccess');
    await ended(made.turn.id);
    return made;
  }
  async function edit(messageId: string, text: string, more: Partial<EditMessageInput> = {}) {
    const made = expectType(await tryEdit(messageId, text, more), 'SendMessageSuccess');
    await ended(made.turn.id);
    return made;
  }
  const select = async (conversationId: string, leafId: string) =>
    (await alice.request(SelectBranchDocument, { conversationId, leafId })).selectBranch;

  it('begins an answer with its question, so that the tree is whole from the first moment', async () => {
    const first = await send(alice, 'One [[hold]]');
    const to = first.conversation.id;
    await follow(alice, { id: to, after: first.cursor }, (reader) => textSoFar(reader) !== '');
    await send(alice, 'Two [[say two]]', { to });
    const { messages, activeLeaf } = await tree(to);
    expect(messages.nodes.map(({ role, status }) => `${role} ${status}`)).toEqual([
      'USER COMPLETE',
      'ASSISTANT STREAMING',
      'USER COMPLETE',
      'ASSISTANT PENDING',
    ]);
    expect(messages.nodes.map(({ parent }) => parent?.id)).toEqual([
      undefined,
      ...messages.nodes.slice(0, 3).map(({ id }) => id),
    ]);
    expect(activeLeaf!.id).toBe(messages.nodes[3]!.id);
    world.model.release();
    await ended(first.turn.id);
  });

  it('keeps what was said when a message is edited, and goes on from the new text', async () => {
    const { to, nodes } = await talk('One [[say a1]]', 'Two [[say a2]]', 'Three [[say a3]]');
    const { turn, cursor } = await edit(nodes[2]!.id, 'Two otherwise [[say b2]]');
    expect(turn.trigger).toBe('EDIT');
    expect(await shown(to)).toEqual(['One', 'a1', 'Two otherwise', 'b2']);
    expect(await shown(to, nodes[5]!.id)).toEqual(['One', 'a1', 'Two', 'a2', 'Three', 'a3']);
    expect(await shown(to, nodes[3]!.id)).toEqual(['One', 'a1', 'Two', 'a2']);
    const all = (await tree(to)).allMessages;
    expect(said(all.nodes)).toEqual(['One', 'a1', 'Two', 'a2', 'Three', 'a3', 'Two otherwise', 'b2']);
    expect(all.totalCount).toBe(8);
    const edited = all.nodes[6]!;
    expect(edited).toMatchObject({
      siblingIndex: 1,
      siblings: [{ id: nodes[2]!.id }, { id: edited.id }],
      parent: { id: nodes[1]!.id },
    });
    expect(all.nodes[1]!.children.map(({ id }) => id)).toEqual([nodes[2]!.id, edited.id]);
    const reader = await follow(alice, { id: to, after: cursor });
    expect(reader.of('BranchSelectedEvent').map(({ leaf }) => leaf.id)).toEqual([all.nodes[7]!.id]);
    const call = world.model.calls.find(({ messages }) => messages.at(-1)!.content.startsWith('Two otherwise'))!;
    expect(call.messages.map(({ content }) => content.replace(/ ?\[\[.*/, ''))).toEqual(['One', 'a1', 'Two otherwise']);
  });

  it('puts another answer beside the first, and follows whichever is shown', async () => {
    const { to, nodes } = await talk('One [[tokens 3]]', 'Two [[say a2]]');
    const again = await regenerate(nodes[1]!.id);
    expect(again.turn.trigger).toBe('REGENERATE');
    expect(again.userMessage!.id).toBe(nodes[0]!.id);
    const { messages } = await tree(to);
    const other = messages.nodes[1]!;
    expect(messages.nodes.map(({ id }) => id)).toEqual([nodes[0]!.id, other.id]);
    expect(other).toMatchObject({ siblingIndex: 1, siblings: [{ id: nodes[1]!.id }, { id: other.id }] });
    await ask(alice, 'Three [[say a3]]', { to });
    expect((await tree(to)).messages.nodes.map(({ parent }) => parent?.id).slice(1, 3)).toEqual([
      nodes[0]!.id,
      other.id,
    ]);
    expectType(await select(to, nodes[3]!.id), 'ConversationSuccess');
    await ask(alice, 'Four [[say a4]]', { to });
    expect((await shown(to)).slice(2)).toEqual(['Two', 'a2', 'Four', 'a4']);
    await regenerate(nodes[0]!.id); // the question itself may be named, too
    expect((await tree(to)).messages.nodes.at(-1)!.siblings).toHaveLength(3);
  });

  it('tells every reader which branch is shown, and nothing where it is shown already', async () => {
    const { to, nodes } = await talk('One [[say a1]]');
    const { cursor } = await edit(nodes[0]!.id, 'One otherwise [[say b1]]');
    const [before] = [await tree(to)];
    expect(before.messages.nodes[0]!.siblings.map(({ id }) => id)).toEqual([
      nodes[0]!.id,
      before.messages.nodes[0]!.id,
    ]);
    const chosen = expectType(await select(to, nodes[0]!.id), 'ConversationSuccess'); // not the end of its branch
    expect(chosen.conversation.activeLeaf!.id).toBe(nodes[1]!.id);
    expectType(await select(to, nodes[1]!.id), 'ConversationSuccess');
    const bob = await world.client(app);
    const reader = await follow(bob, { id: to, after: cursor }, (each) => each.of('BranchSelectedEvent').length === 2);
    expect(reader.of('BranchSelectedEvent').at(-1)!.leaf.id).toBe(nodes[1]!.id);
    await ask(alice, 'Two [[say a2]]', { to });
    const later = await follow(bob, { id: to, after: reader.cursor }, (each) => each.finished.length === 1);
    expect(later.of('BranchSelectedEvent')).toEqual([]);
  });

  it('changes the title of a conversation that nobody named with its first message', async () => {
    const { to, nodes } = await talk('An old beginning [[say a]]');
    expect((await tree(to)).title).toContain('An old beginning');
    await edit(nodes[0]!.id, 'A new beginning [[say b]]');
    expect((await tree(to)).title).toContain('A new beginning');
  });

  it('edits without an answer where that is wanted', async () => {
    const { to, nodes } = await talk('One [[say a1]]');
    const { turn } = await edit(nodes[0]!.id, 'Only noted', { rerun: false });
    expect(await turnOf(alice, turn.id)).toMatchObject({ status: 'COMPLETED', finalMessage: null, usage: [] });
    expect(await shown(to)).toEqual(['Only noted']);
    await ask(alice, 'And now? [[say a]]', { to });
    expect(await shown(to)).toEqual(['Only noted', 'And now?', 'a']);
    const shownToModel = world.model.calls.filter(({ messages }) =>
      messages.some(({ content }) => content.includes('Only noted')),
    );
    expect(shownToModel).toHaveLength(1);
  });

  it('makes one branch of one key, however often it is sent', async () => {
    const { to, nodes } = await talk('One [[say a1]]');
    const key = randomUUID();
    const made = await Promise.all(Array.from({ length: 5 }, () => tryRegenerate(nodes[1]!.id, key)));
    const turns = made.map((each) => expectType(each, 'SendMessageSuccess'));
    expect(new Set(turns.map(({ turn }) => turn.id)).size).toBe(1);
    expect(turns.filter(({ deduplicated }) => !deduplicated)).toHaveLength(1);
    await ended(turns[0]!.turn.id);
    expect((await tree(to)).allMessages.totalCount).toBe(3);
    expect(await tryEdit(nodes[0]!.id, 'Another request', { idempotencyKey: key })).toMatchObject({
      code: 'IDEMPOTENCY_CONFLICT',
    });
  });

  it('refuses a parent that is not the last message any more, and takes the one that is', async () => {
    const { to, nodes } = await talk('One [[say a1]]', 'Two [[say a2]]');
    expect(await trySend(alice, 'Late', { to, parentId: nodes[1]!.id })).toMatchObject({
      __typename: 'ConflictError',
      code: 'CONFLICT',
    });
    await ask(alice, 'In time [[say a3]]', { to, parentId: nodes[3]!.id });
    expect((await shown(to)).slice(4)).toEqual(['In time', 'a3']);
    expect(await trySend(alice, 'New', { parentId: nodes[3]!.id })).toMatchObject({ __typename: 'ValidationError' });
  });

  it('copies a branch into a conversation of its own', async () => {
    const { to, nodes } = await talk('One [[say a1]]', 'Two [[say a2]]');
    await edit(nodes[2]!.id, 'Two otherwise [[say b2]]');
    const fork = async (from: string) =>
      (await alice.request(ForkDocument, { id: to, fromMessageId: from })).forkConversation;
    const { conversation } = expectType(await fork((await tree(to)).messages.nodes[3]!.id), 'ConversationSuccess');
    expect(conversation.id).not.toBe(to);
    expect(await shown(conversation.id)).toEqual(['One', 'a1', 'Two otherwise', 'b2']);
    const copy = await tree(conversation.id);
    expect(copy).toMatchObject({ messageCount: 4, totalTokens: '0' });
    expect(copy.messages.nodes.map(({ ordinal, parent }) => [ordinal, parent?.id])).toEqual(
      copy.messages.nodes.map((_, index) => [String(index + 1), copy.messages.nodes[index - 1]?.id]),
    );
    await ask(alice, 'Three [[say a3]]', { to: conversation.id });
    expect((await shown(conversation.id)).slice(3)).toEqual(['b2', 'Three', 'a3']);
    expect(await shown(to)).toEqual(['One', 'a1', 'Two otherwise', 'b2']);
    const half = expectType(await fork(nodes[0]!.id), 'ConversationSuccess');
    const { title } = await tree(to);
    expect([conversation, half.conversation]).toMatchObject([
      { title: `${title} (2)`, titleSource: 'FALLBACK', forkedFrom: { id: expect.any(String) } },
      { title: `${title} (3)`, titleSource: 'FALLBACK', forkedFrom: { id: nodes[0]!.id } },
    ]);
    await alice.request(DeleteDocument, { id: to });
    const { data } = await alice.execute(
      parse(`{ conversation(id: "${half.conversation.id}") { forkedFrom { id } } }`) as never,
      {},
    );
    expect(data).toEqual({ conversation: { forkedFrom: null } }); // what it came from is gone
    expect(await shown(half.conversation.id)).toEqual(['One']);
  });

  describe('refuses', () => {
    it('what is not there, for this viewer or at all', async () => {
      const { to, nodes } = await talk('One [[say a1]]');
      const other = await talk('Elsewhere [[say x]]');
      const mallory = await world.client(app, 'mallory');
      const input = { messageId: nodes[1]!.id, idempotencyKey: randomUUID() };
      expect((await mallory.request(RegenerateDocument, { input })).regenerate).toMatchObject({ code: 'NOT_FOUND' });
      expect(
        (await mallory.request(EditMessageDocument, { input: { ...input, content: { text: 'x' } } })).editMessage,
      ).toMatchObject({
        code: 'NOT_FOUND',
      });
      const place = { conversationId: to, leafId: nodes[1]!.id };
      expect((await mallory.request(SelectBranchDocument, place)).selectBranch).toMatchObject({ code: 'NOT_FOUND' });
      expect(
        (await mallory.request(ForkDocument, { id: to, fromMessageId: nodes[1]!.id })).forkConversation,
      ).toMatchObject({ code: 'NOT_FOUND' });
      expect(await select(to, other.nodes[1]!.id)).toMatchObject({ code: 'NOT_FOUND' });
      await expect(tree(to, other.nodes[1]!.id)).rejects.toThrow(
        'There is no message in this conversation with this id.',
      );
    });

    it('to edit an answer, to answer what is being answered, and to copy what is unfinished', async () => {
      const first = await send(alice, 'One [[hold]]');
      const to = first.conversation.id;
      await follow(alice, { id: to, after: first.cursor }, (reader) => textSoFar(reader) !== '');
      const { nodes } = (await tree(to)).messages;
      expect(await tryEdit(nodes[1]!.id, 'x')).toMatchObject({ __typename: 'ValidationError' });
      expect(await tryRegenerate(nodes[1]!.id)).toMatchObject({ __typename: 'ConflictError', retryable: true });
      expect(
        (await alice.request(ForkDocument, { id: to, fromMessageId: nodes[1]!.id })).forkConversation,
      ).toMatchObject({ code: 'CONFLICT' });
      expect(await tryEdit(nodes[0]!.id, '  ')).toMatchObject({ __typename: 'ValidationError' });
      world.model.release();
      await ended(first.turn.id);
    });
  });
});
