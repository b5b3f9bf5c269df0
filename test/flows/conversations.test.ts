import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { App } from '../../src/app/build-app.ts';
import { toGlobalId } from '../../src/kernel/global-id.ts';
import {
  ArchiveDocument,
  BySessionDocument,
  ConversationDocument,
  type ConversationFilter,
  type ConversationOrder,
  ConversationsDocument,
  type CreateConversationInput,
  CreateDocument,
  DeleteDocument,
  EndDocument,
  GuestDocument,
  NodeDocument,
  TurnContextDocument,
  TurnsDocument,
  type UpdateConversationInput,
  UpdateDocument,
  ViewerDocument,
} from '../generated/graphql.ts';
import { createWorld, describeSettings, type World } from '../kit/app.ts';
import { createTestClient, type TestClient } from '../kit/client.ts';
import { ask, expectType, follow, send, stop, textSoFar, trySend, turnOf } from '../kit/story.ts';

const tryCreate = async (client: TestClient, input: CreateConversationInput = {}) =>
  (await client.request(CreateDocument, { input })).createConversation;
const create = async (client: TestClient, input: CreateConversationInput = {}) =>
  expectType(await tryCreate(client, input), 'ConversationSuccess').conversation;
const tryUpdate = async (client: TestClient, input: UpdateConversationInput) =>
  (await client.request(UpdateDocument, { input })).updateConversation;
const update = async (client: TestClient, input: UpdateConversationInput) =>
  expectType(await tryUpdate(client, input), 'ConversationSuccess').conversation;
const archive = async (client: TestClient, id: string, archived = true) =>
  (await client.request(ArchiveDocument, { id, archived })).archiveConversation;
const end = async (client: TestClient, id: string) => (await client.request(EndDocument, { id })).endConversation;
const remove = async (client: TestClient, id: string) =>
  (await client.request(DeleteDocument, { id })).deleteConversation;
const read = async (client: TestClient, id: string) =>
  (await client.request(ConversationDocument, { id, first: 50 })).conversation;
const titles = async (client: TestClient, filter: ConversationFilter): Promise<string[]> => {
  const { conversations } = await client.request(ConversationsDocument, { first: 100, filter });
  return conversations.edges.map(({ node }) => node.title).sort();
};

type Page = {
  edges: { cursor: string; node: { id: string } }[];
  pageInfo: { hasNextPage: boolean; hasPreviousPage: boolean; startCursor?: string | null; endCursor?: string | null };
};

/**
 * Every page of a list, forwards and then backwards; fails where a page is empty or says a wrong thing of its
 * neighbours.
 */
async function walk(
  size: number,
  read: (page: { first?: number; after?: string; last?: number; before?: string }) => Promise<Page>,
) {
  const forward: string[] = [];
  for (let after: string | undefined, more = true; more; ) {
    const { edges, pageInfo } = await read({ first: size, ...(after ? { after } : {}) });
    forward.push(...edges.map(({ node }) => node.id));
    expect(pageInfo.hasPreviousPage).toBe(after !== undefined);
    expect([pageInfo.startCursor, pageInfo.endCursor]).toEqual([edges[0]!.cursor, edges.at(-1)!.cursor]);
    more = pageInfo.hasNextPage;
    expect(edges.length).toBe(more ? size : Math.min(size, edges.length));
    after = pageInfo.endCursor!;
  }
  const backward: string[] = [];
  for (let before: string | undefined, more = true; more; ) {
    const { edges, pageInfo } = await read({ last: size, ...(before ? { before } : {}) });
    backward.unshift(...edges.map(({ node }) => node.id));
    expect(pageInfo.hasNextPage).toBe(before !== undefined);
    more = pageInfo.hasPreviousPage;
    before = pageInfo.startCursor!;
  }
  expect(backward).toEqual(forward);
  return forward;
}

describeSettings(
  'conversations',
  ({ storage, redis }) => {
    let world: World;
    let app: App;
    let alice: TestClient;

    beforeAll(async () => {
      world = await createWorld(storage, { redis, tokensPerSecond: 4_000, env: { OPENAI_MODELS: 'gpt-4o' } });
      app = await world.start();
      alice = await world.client(app);
    });
    afterAll(() => world.close());

    const someone = () => world.client(app, randomUUID());

    it('are made with everything left out, and with everything said', async () => {
      expect(await create(alice)).toMatchObject({
        ...{
          title: expect.stringMatching(/^Conversation of \d{4}-\d\d-\d\d$/),
          titleSource: 'FALLBACK',
          language: 'es',
          metadata: {},
        },
        ...{ provider: 'openai', model: 'gpt-4o-mini', status: 'ACTIVE', isActive: true, isArchived: false },
        ...{ messageCount: 0, totalTokens: '0', totalCost: '0.000000', lastMessageAt: null },
      });
      const metadata = { project: 'tea', nested: { list: [1, null, '茶'] } };
      const input = {
        title: '  Tea  ',
        language: 'pt-BR',
        model: 'gpt-4o',
        provider: 'openai',
        systemPrompt: 'Be brief',
        metadata,
      };
      const conversation = await create(alice, input);
      expect(conversation).toMatchObject({
        title: 'Tea',
        titleSource: 'USER',
        language: 'pt-BR',
        model: 'gpt-4o',
        metadata,
      });
      expect(
        (await alice.request(BySessionDocument, { sessionId: conversation.sessionId })).conversationBySessionId,
      ).toEqual({
        id: conversation.id,
      });
      await ask(alice, '[[say ok]]', { to: conversation.id });
      expect(world.model.calls.at(-1)).toMatchObject({
        model: 'gpt-4o',
        messages: [{ role: 'system', content: 'Be brief' }, { role: 'user' }],
      });
    });

    describe('take their title', () => {
      const titleOf = async (text: string) => (await send(alice, text)).conversation.title;

      it('from the first message: fifty characters of it, on one line, never half an emoji', async () => {
        expect(await titleOf('  How do\n\nI   brew tea? ')).toBe('How do I brew tea?');
        expect(await titleOf('x'.repeat(50))).toBe('x'.repeat(50));
        expect(await titleOf('x'.repeat(51))).toBe(`${'x'.repeat(50)}…`);
        expect(await titleOf(`${'x'.repeat(49)}😀 and more`)).toBe(`${'x'.repeat(49)}…`);
        expect(await titleOf(`${'x'.repeat(48)}😀 and more`)).toBe(`${'x'.repeat(48)}😀…`);
      });

      it('once, and never over one that a person gave', async () => {
        const first = await ask(alice, 'First words');
        const second = await ask(alice, 'Other words', { to: first.conversation.id });
        expect(second.conversation.title).toBe('First words');
        const named = await create(alice, { title: 'Mine' });
        expect((await send(alice, 'Words', { to: named.id })).conversation.title).toBe('Mine');
        const renamed = await create(alice);
        expect(await update(alice, { id: renamed.id, title: 'Named later' })).toMatchObject({
          title: 'Named later',
          titleSource: 'USER',
        });
        expect((await send(alice, 'Words', { to: renamed.id })).conversation.title).toBe('Named later');
      });

      it.each(['', '   ', '\u200b\u200d\ufeff', '\u202e\u2066', '\u0000'])(
        'from nobody who gives one that cannot be seen: %j',
        async (title) => {
          const [created, { id }] = [await tryCreate(alice, { title }), await create(alice)];
          const isStored = title === '\u0000'; // it becomes U+FFFD, which is seen
          if (isStored) expect(created).toMatchObject({ conversation: { title: '\ufffd' } });
          else expect(created).toMatchObject({ __typename: 'ValidationError', issues: [{ path: ['input', 'title'] }] });
          if (!isStored)
            expect(await tryUpdate(alice, { id, title })).toMatchObject({
              __typename: 'ValidationError',
              issues: [{ path: ['input', 'title'] }],
            });
        },
      );

      it('of at most two hundred characters', async () => {
        expect(await create(alice, { title: 'x'.repeat(200) })).toMatchObject({ title: 'x'.repeat(200) });
        const refusal = expectType(await tryCreate(alice, { title: 'x'.repeat(201) }), 'ValidationError');
        expect(refusal.message).toMatch(/200.*201/);
      });
    });

    it.each<[string, CreateConversationInput, string]>([
      ['metadata that is a list', { metadata: [1] }, 'metadata'],
      ['metadata that is text', { metadata: 'x' }, 'metadata'],
      ['metadata of more than 16 KiB', { metadata: { x: 'x'.repeat(16_384) } }, 'metadata'],
      [
        'metadata that is nested without end',
        { metadata: { x: JSON.parse(`${'['.repeat(100)}${']'.repeat(100)}`) } },
        'metadata',
      ],
      ['a language that is none', { language: 'klingon' }, 'language'],
      ['a system prompt of 32,001 characters', { systemPrompt: 'x'.repeat(32_001) }, 'systemPrompt'],
    ])('refuse %s', async (_, input, field) => {
      expect(await tryCreate(alice, input)).toMatchObject({
        __typename: 'ValidationError',
        code: 'VALIDATION_FAILED',
        issues: [{ path: ['input', field] }],
      });
    });

    it('store metadata that PostgreSQL would not', async () => {
      const { metadata } = await create(alice, { metadata: { a: 'nul \u0000', b: 'half \ud83d', 'key \u0000': 1 } });
      expect(metadata).toEqual({ a: 'nul \ufffd', b: 'half \ufffd', 'key \ufffd': 1 });
    });

    it('refuse a provider that does not exist, naming the one that does', async () => {
      const refusal = expectType(await tryCreate(alice, { provider: 'nobody' }), 'ProviderError');
      expect(refusal).toMatchObject({ code: 'INVALID_MODEL', message: expect.stringMatching(/"nobody".*"openai"/) });
    });

    it('change what is said, and keep what is left out', async () => {
      const { id } = await create(alice, { title: 'Before', metadata: { keep: 1 }, language: 'en' });
      expect(await update(alice, { id, title: 'After' })).toMatchObject({
        title: 'After',
        metadata: { keep: 1 },
        language: 'en',
        model: 'gpt-4o-mini',
      });
      expect(await update(alice, { id, metadata: { other: 2 }, model: 'gpt-4o', language: 'fr' })).toMatchObject({
        ...{ title: 'After', metadata: { other: 2 }, model: 'gpt-4o', language: 'fr' },
      });
      expect(await tryUpdate(alice, { id })).toMatchObject({
        __typename: 'ValidationError',
        issues: [{ path: ['input'] }],
      });
    });

    it('take other instructions for the next turn, tell readers, and lose them where they are empty', async () => {
      const { conversation, cursor, turn } = await ask(alice, 'Before [[say a]]', {
        conversation: { new: { systemPrompt: 'Be brief' } },
      });
      const { id } = conversation;
      const systemPrompt = 'Be long. nul \u0000';
      expect(await update(alice, { id, systemPrompt })).toMatchObject({ systemPrompt: 'Be long. nul \ufffd' });
      await ask(alice, 'After [[say b]]', { to: id });
      expect(world.model.calls.at(-1)!.messages[0]).toEqual({ role: 'system', content: 'Be long. nul \ufffd' });
      const reader = await follow(alice, { id, after: cursor }, (each) => each.finished.length === 2);
      expect(reader.of('ConversationUpdatedEvent').map(({ changed }) => changed)).toContainEqual(['systemPrompt']);
      const { turn: first } = await alice.request(TurnContextDocument, { id: turn.id });
      expect(first!.context!.systemPrompt).toBe('Be brief'); // what it was made with stays with it
      expect(await update(alice, { id, systemPrompt: '' })).toMatchObject({ systemPrompt: '' });
      await ask(alice, 'Without [[say c]]', { to: id });
      expect(world.model.calls.at(-1)!.messages[0]).toMatchObject({ role: 'user' });
      expect(await tryUpdate(alice, { id, systemPrompt: 'x'.repeat(32_001) })).toMatchObject({
        ...{
          __typename: 'ValidationError',
          issues: [{ path: ['input', 'systemPrompt'], message: expect.stringMatching(/32000.*32001/) }],
        },
      });
    });

    it('keep a language in its canonical form, and are found by it in whatever case', async () => {
      const client = await someone();
      expect(await create(client, { title: 'Chinese', language: 'ZH-hant-tw' })).toMatchObject({
        language: 'zh-Hant-TW',
      });
      expect(await titles(client, { language: 'zh-hant-TW' })).toEqual(['Chinese']);
      expect(await tryCreate(client, { language: `en-${'a'.repeat(40)}` })).toMatchObject({
        ...{
          __typename: 'ValidationError',
          issues: [{ path: ['input', 'language'], message: expect.stringMatching(/at most 35 characters/) }],
        },
      });
    });

    it('in the archive take no messages and are not listed, and come out of it again', async () => {
      const client = await someone();
      const { id } = await create(client, { title: 'Put away' });
      expect(await archive(client, id)).toMatchObject({
        conversation: { status: 'ARCHIVED', isArchived: true, isActive: false },
      });
      const refusal = expectType(await trySend(client, 'Hello', { to: id }), 'ConflictError');
      expect(refusal).toMatchObject({ code: 'CONFLICT', message: expect.stringMatching(/archive/) });
      expect(await titles(client, {})).toEqual([]);
      expect(await titles(client, { status: ['ARCHIVED'] })).toEqual(['Put away']);
      expect(await archive(client, id, false)).toMatchObject({ conversation: { status: 'ACTIVE' } });
      expect((await ask(client, '[[say hello]]', { to: id })).turn.status).toBe('COMPLETED');
    });

    it('that have ended can be read, take no messages, and are never reopened, not even by way of the archive', async () => {
      const { conversation } = await ask(alice, '[[say last]]');
      const { id } = conversation;
      expect(await end(alice, id)).toMatchObject({ conversation: { status: 'COMPLETED', isActive: false } });
      expect(await trySend(alice, 'More', { to: id })).toMatchObject({
        __typename: 'ConflictError',
        message: expect.stringMatching(/ended/),
      });
      expect(await archive(alice, id)).toMatchObject({ __typename: 'ConflictError', code: 'CONFLICT' });
      expect(await archive(alice, id, false)).toMatchObject({ __typename: 'ConflictError', code: 'CONFLICT' });
      expect(await tryUpdate(alice, { id, status: 'ACTIVE' })).toMatchObject({ __typename: 'ConflictError' });
      expect(await trySend(alice, 'More', { to: id })).toMatchObject({ __typename: 'ConflictError' });
      expect((await read(alice, id))!.messages.edges.at(-1)!.node.content).toBe('last');
    });

    it('are gone at once when they are deleted, for every way to ask', async () => {
      const { conversation, turn } = await ask(alice, '[[say gone]]');
      const { id } = conversation;
      const { sessionId } = (await read(alice, id))!;
      expect(await remove(alice, id)).toEqual({ __typename: 'DeleteSuccess', deletedId: id });
      expect(await read(alice, id)).toBeNull();
      for (const each of [id, turn.id, turn.finalMessage!.id])
        expect((await alice.request(NodeDocument, { id: each })).node).toBeNull();
      expect((await alice.request(BySessionDocument, { sessionId })).conversationBySessionId).toBeNull();
      const gone = { __typename: 'NotFoundError', code: 'NOT_FOUND' };
      expect(await remove(alice, id)).toMatchObject(gone);
      expect(await archive(alice, id)).toMatchObject(gone);
      expect(await trySend(alice, 'Hello?', { to: id })).toMatchObject(gone);
    });

    it('of others are not there, whatever is tried with them', async () => {
      const [{ id }, bob] = [await create(alice), await someone()];
      const unknown = toGlobalId('Conversation', randomUUID());
      for (const attempt of [
        archive,
        end,
        remove,
        (client: TestClient, each: string) => tryUpdate(client, { id: each, title: 'Mine now' }),
        (client: TestClient, each: string) => trySend(client, 'Hi', { to: each }),
      ]) {
        const foreign = await attempt(bob, id);
        expect(foreign).toMatchObject({ __typename: 'NotFoundError', code: 'NOT_FOUND' });
        expect(await attempt(bob, unknown)).toEqual(foreign);
      }
      expect(await read(bob, id)).toBeNull();
      expect(await read(alice, id)).toMatchObject({ status: 'ACTIVE' });
    });

    it('are found by status, language, words of the title and time of change; all conditions hold together', async () => {
      const client = await someone();
      await create(client, { title: 'Green TEA', language: 'en' });
      await create(client, { title: 'Teapots 100%', language: 'fr' });
      await create(client, { title: 'Under_score', language: 'fr' });
      const ended = await create(client, { title: 'Ended tea', language: 'en' });
      await end(client, ended.id);
      expect(await titles(client, {})).toEqual(['Ended tea', 'Green TEA', 'Teapots 100%', 'Under_score']);
      expect(await titles(client, { search: 'tea' })).toEqual(['Ended tea', 'Green TEA', 'Teapots 100%']);
      expect(await titles(client, { search: 'tea', language: 'en', status: ['ACTIVE'] })).toEqual(['Green TEA']);
      expect(await titles(client, { status: ['COMPLETED'] })).toEqual(['Ended tea']);
      expect(await titles(client, { status: [] })).toEqual([]);
      expect(await titles(client, { search: '%' })).toEqual(['Teapots 100%']);
      expect(await titles(client, { search: '_' })).toEqual(['Under_score']);
      expect(await titles(client, { search: '\\' })).toEqual([]);
      const tooLong = await client.execute(ConversationsDocument, { filter: { search: 'x'.repeat(201) } });
      expect(tooLong.errors).toMatchObject([
        { message: expect.stringMatching(/filter.search.*200.*201/), extensions: { code: 'VALIDATION_FAILED' } },
      ]);
      const { updatedAt } = (await read(client, ended.id))!;
      expect(await titles(client, { updatedSince: updatedAt })).toEqual(['Ended tea']);
      expect(await titles(client, { updatedSince: new Date(Date.now() + 60_000).toISOString() })).toEqual([]);
    });

    describe('in pages', () => {
      const orders: ConversationOrder[] = [
        'LAST_MESSAGE_DESC',
        'UPDATED_DESC',
        'CREATED_DESC',
        'TITLE_ASC',
        'COST_DESC',
      ];
      let client: TestClient;
      let total: number;

      beforeAll(async () => {
        client = await someone();
        const words = ['b', 'a', 'Z', 'ä', 'a', '😀', 'b', 'a', 'x y', 'x-y', 'b'];
        await Promise.all(words.map((title) => create(client, { title })));
        await Promise.all([3, 50, 3, 20, 50].map((n) => ask(client, `b [[tokens ${n}]]`)));
        total = 16;
      });

      it.each(orders)('by %s: everything once, the same forwards and backwards', async (orderBy) => {
        const ids = await walk(3, async (page) => {
          const { conversations } = await client.request(ConversationsDocument, { first: null, ...page, orderBy });
          expect(conversations.totalCount).toBe(total);
          return conversations;
        });
        expect([ids.length, new Set(ids).size]).toEqual([total, total]);
        const whole = await client.request(ConversationsDocument, { first: 100, orderBy });
        expect(whole.conversations.edges.map(({ node }) => node.id)).toEqual(ids);
        const nodes = whole.conversations.edges.map(({ node }) => node);
        const keys = nodes.map((node) => {
          const { updatedAt, createdAt, title, totalCost, lastMessageAt } = node;
          const key: Record<ConversationOrder, string> = {
            ...{ UPDATED_DESC: updatedAt, CREATED_DESC: createdAt, TITLE_ASC: title, COST_DESC: totalCost },
            LAST_MESSAGE_DESC: lastMessageAt ?? createdAt,
          };
          return key[orderBy];
        });
        if (orderBy !== 'TITLE_ASC') expect(keys).toEqual([...keys].sort().reverse());
        else expect(keys.filter((title) => title === 'a')).toHaveLength(3);
      });

      it('by the last thing said: an answer brings its conversation to the top, and a new name does not', async () => {
        const user = await someone();
        const [older, newer] = [(await ask(user, 'Older')).conversation.id, (await ask(user, 'Newer')).conversation.id];
        const empty = await create(user);
        const order = async () => {
          const { conversations } = await user.request(ConversationsDocument, {
            first: 10,
            orderBy: 'LAST_MESSAGE_DESC',
          });
          return conversations.edges.map(({ node }) => node);
        };
        expect((await order()).map(({ id }) => id)).toEqual([empty.id, newer, older]);
        const asked = await send(user, 'Again [[hold]]', { to: older });
        await ask(user, 'Between', { to: newer });
        expect((await order()).map(({ id }) => id)).toEqual([newer, older, empty.id]);
        world.model.release();
        await follow(user, { id: older, after: asked.cursor }, (reader) => reader.finished.length === 1);
        await update(user, { id: newer, title: 'Renamed' });
        const last = await order();
        expect(last.map(({ id }) => id)).toEqual([older, newer, empty.id]);
        expect(last.map(({ lastMessageAt }) => lastMessageAt)).toEqual([expect.any(String), expect.any(String), null]);
      });

      it('the messages and turns of a conversation: everything once, in their order', async () => {
        const { conversation } = await ask(client, '[[say 0]]');
        const { id } = conversation;
        for (const n of [1, 2, 3]) await ask(client, `[[say ${n}]]`, { to: id });
        const pages = async (page: object) =>
          (await client.request(ConversationDocument, { id, ...page })).conversation!.messages;
        const ids = await walk(3, pages);
        const { edges } = await pages({ first: 100 });
        expect(ids).toEqual(edges.map(({ node }) => node.id));
        expect(edges.map(({ node }) => node.ordinal)).toEqual(['1', '2', '3', '4', '5', '6', '7', '8']);
        expect((await pages({ last: 3 })).edges.map(({ node }) => node.ordinal)).toEqual(['6', '7', '8']);
        const { turns } = (await client.request(TurnsDocument, { id, first: 2, status: ['COMPLETED'] })).conversation!;
        expect([turns.totalCount, turns.nodes.length]).toEqual([4, 2]);
        expect(
          (await client.request(TurnsDocument, { id, status: ['FAILED', 'QUEUED'] })).conversation!.turns,
        ).toMatchObject({
          totalCount: 0,
          nodes: [],
        });
        await remove(client, id);
      });

      it('go on after a conversation that was deleted in the meantime', async () => {
        const visitor = await someone();
        for (const title of ['a', 'b', 'c', 'd']) await create(visitor, { title });
        const page = async (after?: string) =>
          (
            await visitor.request(ConversationsDocument, {
              first: 2,
              orderBy: 'TITLE_ASC',
              ...(after ? { after } : {}),
            })
          ).conversations;
        const first = await page();
        await remove(visitor, first.edges[1]!.node.id);
        expect((await page(first.pageInfo.endCursor!)).edges.map(({ node }) => node.title)).toEqual(['c', 'd']);
      });

      const refused = async (args: object): Promise<string> => {
        const { errors } = await client.execute(ConversationsDocument, args);
        return `${errors?.[0]?.extensions?.code} ${errors?.[0]?.message}`;
      };

      it.each([
        [{ first: -1 }, /VALIDATION_FAILED first: must be between 1 and 100, but is -1/],
        [{ first: 0 }, /VALIDATION_FAILED first: .*1 and 100.* 0/],
        [{ first: 101 }, /VALIDATION_FAILED first: .*1 and 100.* 101/],
        [{ first: 1_000_000_000 }, /VALIDATION_FAILED first/],
        [{ first: null, last: 0 }, /VALIDATION_FAILED last: .*1 and 100.* 0/],
        [{ first: null, last: 101 }, /VALIDATION_FAILED last/],
        [{ first: 5, last: 5 }, /VALIDATION_FAILED last: cannot be combined with first: set first to null/],
        [{ first: 5, before: 'x' }, /VALIDATION_FAILED before: cannot be combined with first/],
      ])('refuse %j', async (args, words) => {
        expect(await refused(args)).toMatch(words);
      });

      it('refuse a cursor of another order, of another list, or one that was tampered with', async () => {
        const cursorOf = async (orderBy: ConversationOrder) =>
          (await client.request(ConversationsDocument, { first: 1, orderBy })).conversations.pageInfo.endCursor!;
        const byTitle = await cursorOf('TITLE_ASC');
        const { conversation } = await ask(client, '[[say 0]]');
        const ofMessages = (await read(client, conversation.id))!.messages.pageInfo.endCursor!;
        await remove(client, conversation.id);
        const made = (...keys: unknown[]) => Buffer.from(JSON.stringify(keys)).toString('base64url');
        const bad: [ConversationOrder, string][] = [
          ['UPDATED_DESC', byTitle],
          ['TITLE_ASC', ofMessages],
          ['TITLE_ASC', 'nonsense'],
          ['TITLE_ASC', ''],
          ['TITLE_ASC', `${byTitle}x`.repeat(2)],
          ['TITLE_ASC', made('conversations:TITLE_ASC')],
          ['TITLE_ASC', made('conversations:TITLE_ASC', 'a')],
          ['TITLE_ASC', made('conversations:TITLE_ASC', 'a', 'not-a-uuid')],
          ['TITLE_ASC', made('conversations:TITLE_ASC', '\u0000', randomUUID())],
          ['TITLE_ASC', made('conversations:TITLE_ASC', { a: 1 }, randomUUID())],
          ['COST_DESC', made('conversations:COST_DESC', 'abc', randomUUID())],
          ['COST_DESC', made('conversations:COST_DESC', '1e999', randomUUID())],
          ['UPDATED_DESC', made('conversations:UPDATED_DESC', 'abc', randomUUID())],
          ['UPDATED_DESC', made('conversations:UPDATED_DESC', '+275760-09-13T00:00:00.000Z', randomUUID())],
        ];
        const answers = await Promise.all(bad.map(([orderBy, after]) => refused({ first: 1, orderBy, after })));
        expect(answers).toEqual(bad.map(() => 'VALIDATION_FAILED after: is not a cursor of this list'));
        const messages = [
          made('messages', 'abc'),
          made('messages'),
          made('messages', '99999999999999999999999'),
          byTitle,
        ];
        const { id } = await create(client);
        const told = await Promise.all(
          messages.map((after) => client.execute(ConversationDocument, { id, first: 1, after })),
        );
        expect(told.map(({ errors }) => errors?.[0]?.message)).toEqual(
          messages.map(() => 'after: is not a cursor of this list'),
        );
        await remove(client, id);
      });
    });

    it('answer in one request where the client waits for the end', async () => {
      const { turn } = await ask(alice, '[[say all at once]]');
      expect(turn).toMatchObject({ status: 'COMPLETED', finalMessage: { content: 'all at once' } });
    });

    it('wait no longer than is asked for, and the turn goes on', async () => {
      const start = performance.now();
      const { turn, conversation, cursor } = await ask(alice, '[[hold]]', { timeoutMs: 300 });
      expect(performance.now() - start).toBeLessThan(10_000); // far less than what a wait takes that nobody limits
      expect(turn).toMatchObject({ status: 'RUNNING', finalMessage: null });
      await follow(alice, { id: conversation.id, after: cursor }, (reader) => textSoFar(reader) !== '');
      world.model.release();
      await expect.poll(async () => (await turnOf(alice, turn.id)).status).toBe('COMPLETED');
      const unawaited = await send(alice, '[[hold]]', { waitFor: 'FINISHED', timeoutMs: 0 });
      expect(unawaited.turn.isTerminal).toBe(false);
      await stop(alice, unawaited.turn.id);
    });

    it.each([-1, 600_001])('refuse to wait for %i ms, and admit nothing', async (timeoutMs) => {
      const client = await someone();
      const refusal = expectType(await trySend(client, 'Hello', { waitFor: 'FINISHED', timeoutMs }), 'ValidationError');
      expect(refusal).toMatchObject({
        issues: [{ path: ['input', 'timeoutMs'], message: expect.stringContaining(String(timeoutMs)) }],
      });
      expect((await client.request(ConversationsDocument, {})).conversations.totalCount).toBe(0);
    });

    it('of guests are a world of their own', async () => {
      const nobody = await world.client(app, null);
      const guest = async (displayName?: string) => {
        const session = expectType(
          (await nobody.request(GuestDocument, displayName ? { displayName } : {})).createGuestSession,
          'GuestSessionSuccess',
        );
        expect(new Date(session.expiresAt).getTime()).toBeGreaterThan(Date.now() + 3_600_000);
        return { session, client: createTestClient(app.url!, session.token) };
      };
      const [one, two] = [await guest('Visitor'), await guest()];
      expect(one.session.user).toMatchObject({ displayName: 'Visitor', isAnonymous: true, roles: ['ANONYMOUS'] });
      expect(two.session.user).toMatchObject({ displayName: 'Guest' });
      expect((await one.client.request(ConversationsDocument, {})).conversations.totalCount).toBe(0);
      const { conversation, turn } = await ask(one.client, '[[say hello guest]]');
      expect(turn.finalMessage!.content).toBe('hello guest');
      expect((await one.client.request(ViewerDocument, {})).viewer).toMatchObject({
        can: true,
        user: { id: one.session.user.id, conversationCount: 1 },
      });
      for (const other of [two.client, alice]) {
        expect(await read(other, conversation.id)).toBeNull();
        expect((await other.request(NodeDocument, { id: turn.id })).node).toBeNull();
        expect((await other.request(NodeDocument, { id: one.session.user.id })).node).toBeNull();
      }
      expect((await two.client.request(ConversationsDocument, {})).conversations.totalCount).toBe(0);
    });

    it('of guests are refused a name that is too long', async () => {
      const nobody = await world.client(app, null);
      const { createGuestSession } = await nobody.request(GuestDocument, { displayName: 'x'.repeat(201) });
      expect(createGuestSession).toMatchObject({
        __typename: 'ValidationError',
        issues: [{ path: ['displayName'], message: expect.stringMatching(/200.*201/) }],
      });
    });
  },
  (setting) => !setting.redis,
);
