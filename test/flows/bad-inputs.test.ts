import { randomUUID } from 'node:crypto';
import { gzipSync } from 'node:zlib';
import { SignJWT, UnsecuredJWT } from 'jose';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { App } from '../../src/app/build-app.ts';
import { toGlobalId } from '../../src/kernel/global-id.ts';
import { ConversationsDocument, CreateDocument, SendDocument } from '../generated/graphql.ts';
import { createWorld, describeSettings, secret, tokenFor, type World } from '../kit/app.ts';
import type { TestClient } from '../kit/client.ts';
import { ask, expectType, trySend, turnOf } from '../kit/story.ts';

const key = 'sk-canary-0123456789abcdef';
/** What no answer may show: stacks, places on our disk, what we are made of, secrets. */
const insides = new RegExp(`\\n\\s+at |node_modules|/src/|[pP]risma|[pP]ostgres|pglite|sk-canary|${secret}`);

type Answer = {
  status: number;
  text: string;
  code: string | undefined;
  message: string | undefined;
  data: Record<string, unknown> | null | undefined;
};

const embedded = (setting: { storage: { name: string }; redis: boolean }) =>
  setting.storage.name === 'embedded' && !setting.redis;

describeSettings(
  'bad inputs',
  ({ storage, redis }) => {
    let world: World;
    let app: App;
    let alice: TestClient;

    beforeAll(async () => {
      world = await createWorld(storage, {
        redis,
        env: { OPENAI_API_KEY: key, MAX_MESSAGE_CHARS: '1000' },
        tokensPerSecond: 4_000,
      });
      app = await world.start();
      alice = await world.client(app);
    });
    afterAll(() => world.close());

    /** One request as it is, and what every answer to it must be: no fault of ours, and nothing of our insides. */
    async function request(init: RequestInit & { path?: string }, token: string | null = alice.token): Promise<Answer> {
      const headers = {
        accept: 'application/json',
        ...(token ? { authorization: `Bearer ${token}` } : {}),
        ...(init.headers as Record<string, string>),
      };
      const response = await fetch(`${app.url}${init.path ?? '/graphql'}`, { method: 'POST', ...init, headers });
      const text = await response.text();
      expect(response.status, text).toBeLessThan(500);
      expect(text).not.toMatch(insides);
      expect(text).not.toContain('INTERNAL');
      const json = text.startsWith('{')
        ? (JSON.parse(text) as {
            errors?: { message: string; extensions?: { code?: string } }[];
            data?: Record<string, unknown>;
          })
        : {};
      return {
        status: response.status,
        text,
        code: json.errors?.[0]?.extensions?.code,
        message: json.errors?.[0]?.message,
        data: json.data,
      };
    }

    const post = (body: unknown, token?: string | null) =>
      request(
        {
          headers: { 'content-type': 'application/json' },
          body: typeof body === 'string' ? body : JSON.stringify(body),
        },
        token,
      );
    const ask1 = (query: string, variables?: object) => post({ query, variables });
    const send =
      'mutation ($input: SendMessageInput!) { sendMessage(input: $input) { __typename ... on ApiError { code message } ... on ValidationError { issues { path } } } }';
    const create =
      'mutation ($input: CreateConversationInput!) { createConversation(input: $input) { __typename ... on ApiError { code message } } }';
    const input = (text: string, more: object = {}) => ({
      input: { conversation: { new: {} }, content: { text }, idempotencyKey: randomUUID(), ...more },
    });
    const rows = async (client: TestClient) =>
      (await client.request(ConversationsDocument, {})).conversations.totalCount;

    describe('1, 2: content', () => {
      it.each(['', '   ', '\n\t', '\u200b\u200d', '\u202e'])('that is empty is refused: %j', async (text) => {
        expect(await trySend(alice, text)).toMatchObject({
          ...{
            __typename: 'ValidationError',
            code: 'VALIDATION_FAILED',
            message: 'input.content.text: must not be empty',
          },
          issues: [{ path: ['input', 'content', 'text'] }],
        });
      });

      it('of a character too many is refused with the limit and its length, and leaves no row and no call', async () => {
        const client = await world.client(app, randomUUID());
        const calls = world.model.calls.length;
        const refusal = expectType(await trySend(client, 'x'.repeat(1_001)), 'ValidationError');
        expect(refusal.message).toBe('input.content.text: must have at most 1000 characters, but has 1001');
        expect([await rows(client), world.model.calls.length]).toEqual([0, calls]);
        expect((await ask(client, 'x'.repeat(1_000))).turn.status).toBe('COMPLETED');
      });

      it('of ten megabytes is refused before it is read', async () => {
        expect((await ask1(send, input('x'.repeat(10_000_000)))).status).toBe(413);
      });
    });

    it('3: content with a NUL or half an emoji is stored as every client can read it', async () => {
      const { userMessage, turn } = await ask(alice, 'a\u0000b \ud83d c \ude80 [[say ok]]');
      expect(userMessage!.content).toBe('a\ufffdb \ufffd c \ufffd [[say ok]]');
      expect(turn.status).toBe('COMPLETED');
    });

    it('3: text with a NUL never breaks a search, a look-up or a key', async () => {
      const nul = 'a\u0000b';
      for (const [query, variables] of [
        ['query ($t: String!) { conversations(filter: { search: $t }) { totalCount } }', { t: nul }],
        ['query ($t: String!) { conversations(filter: { language: $t }) { totalCount } }', { t: nul }],
        ['query ($t: String!) { conversationBySessionId(sessionId: $t) { id } }', { t: nul }],
        ['query ($t: String!) { turnByIdempotencyKey(key: $t) { id } }', { t: nul }],
        ['mutation ($t: String!) { createGuestSession(displayName: $t) { __typename } }', { t: nul }],
        [
          'mutation ($t: String!) { createConversation(input: { title: $t, systemPrompt: $t }) { __typename } }',
          { t: nul },
        ],
        ['mutation ($t: String!) { createConversation(input: { model: $t }) { __typename } }', { t: nul }],
        ['mutation ($t: String!) { createConversation(input: { provider: $t }) { __typename } }', { t: nul }],
        [send, input('hello', { idempotencyKey: `${randomUUID()}\u0000` })],
        [send, input('hello', { generation: { stop: [nul] } })],
        [send, input('hello', { generation: { model: nul } })],
        [send, input('hello', { generation: { model: 'x'.repeat(101) } })],
        [
          create,
          { input: { provider: 'x'.repeat(100_000), model: 'x'.repeat(100_000), language: 'x'.repeat(100_000) } },
        ],
      ] as [string, object][])
        expect((await ask1(query, variables)).status, JSON.stringify(variables)).toBeLessThan(500);
    });

    it('4: titles that nobody can see are refused', async () => {
      for (const title of ['\u200b', '\u202e\u2066'])
        expect((await ask1(create, { input: { title } })).text).toContain('VALIDATION_FAILED');
    });

    it("5: another's conversation gets what an unknown one gets", async () => {
      const mine = await ask(alice, '[[say mine]]');
      const bob = await tokenFor('bob');
      const tell = async (id: string) =>
        (await post({ query: send, variables: input('Hi', { conversation: { id } }) }, bob)).text;
      expect(await tell(mine.conversation.id)).toBe(await tell(toGlobalId('Conversation', randomUUID())));
      expect(await tell(mine.conversation.id)).toContain('NOT_FOUND');
    });

    const id = randomUUID();
    it.each([
      ['not base64', '%%%'],
      ['nothing', ''],
      ['another type (7)', toGlobalId('Message', id)],
      ['an unknown type', toGlobalId('Nothing', id)],
      ['garbage for a key', toGlobalId('Conversation', "x'; DROP TABLE turn; --")],
      ['a bare uuid', id],
      ['a NUL', toGlobalId('Conversation', '\u0000')],
      ['ten kilobytes', 'Q'.repeat(10_240)],
      ['padding that ours has not', `${toGlobalId('Conversation', id)}=`],
    ])(
      '6, 7: an id that is %s is null where it is looked for, as an unknown one, and refused in an input, naming the argument',
      async (_, bad) => {
        const found = { conversation: null, message: null, turn: null, node: null, nodes: [null] };
        const fields =
          'conversation(id: $id) { id } message(id: $id) { id } turn(id: $id) { id } node(id: $id) { id } nodes(ids: [$id]) { id }';
        const read = await ask1(`query ($id: ID!) { ${fields} }`, { id: bad });
        expect([read.code, read.data]).toEqual([undefined, found]);
        const sent = await ask1(send, input('Hi', { conversation: { id: bad } }));
        expect(sent.data!.sendMessage).toMatchObject({
          code: 'VALIDATION_FAILED',
          issues: [{ path: ['input', 'conversation', 'id'] }],
        });
        const polled = await ask1('query ($id: ID!) { conversationEvents(conversationId: $id) { cursor } }', {
          id: bad,
        });
        expect(polled.code).toBe('VALIDATION_FAILED');
      },
    );

    it('6: `nodes` finds what exists beside what is no id, in their order', async () => {
      const { conversation, turn } = await ask(alice, '[[say hello]]');
      const ids = ['nope', turn.id, toGlobalId('User', 'x'), conversation.id, toGlobalId('Nothing', randomUUID()), ''];
      const { data } = await ask1('query ($ids: [ID!]!) { nodes(ids: $ids) { id } }', { ids });
      expect(data!.nodes).toEqual([null, { id: turn.id }, null, { id: conversation.id }, null, null]);
    });

    it.each([
      'conversation(id: "nope")',
      'message(id: "nope")',
      'turn(id: "nope")',
      'node(id: "nope")',
      'nodes(ids: ["nope"])',
    ])('6: %s without a token is refused as every other id is', async (field) => {
      expect((await post({ query: `{ ${field} { id } }` }, null)).code).toBe('UNAUTHENTICATED');
    });

    it('6: `nodes` refuses more than a hundred', async () => {
      const ids = Array.from({ length: 101 }, () => toGlobalId('Turn', randomUUID()));
      expect((await ask1('query ($ids: [ID!]!) { nodes(ids: $ids) { id } }', { ids })).message).toMatch(/100.*101/);
    });

    it('12, 11: polling refuses limits and cursors that are none', async () => {
      const { conversation } = await ask(alice, '[[say hello]]');
      const poll = (args: string) =>
        ask1(`{ conversationEvents(conversationId: "${conversation.id}", ${args}) { cursor } }`);
      for (const limit of [-1, 0, 1_001])
        expect((await poll(`limit: ${limit}`)).message).toMatch(new RegExp(`limit: .*1 and 1000.* ${limit}`));
      for (const after of ['"-1"', '"abc"', '"2147483648"', '2147483648', '-1', 'true', '{}']) {
        const answer = await poll(`after: ${after}`);
        expect(['VALIDATION_FAILED', 'GRAPHQL_VALIDATION_FAILED']).toContain(answer.code);
      }
    });

    it('16: settings of the generation are held to their ranges, each named', async () => {
      const bad: [object, string][] = [
        [{ temperature: 5 }, 'temperature'],
        [{ temperature: -0.1 }, 'temperature'],
        [{ topP: 2 }, 'topP'],
        [{ maxTokens: 0 }, 'maxTokens'],
        [{ maxTokens: 2_000_000 }, 'maxTokens'],
        [{ presencePenalty: 3 }, 'presencePenalty'],
        [{ frequencyPenalty: -3 }, 'frequencyPenalty'],
        [{ stop: ['a', 'b', 'c', 'd', 'e'] }, 'stop'],
        [{ stop: [''] }, 'stop'],
      ];
      for (const [generation, field] of bad) {
        const { data } = await ask1(send, input('Hi', { generation }));
        const { code, issues } = data!.sendMessage as { code: string; issues: { path: string[] }[] };
        expect([code, issues[0]!.path.slice(0, 3)]).toEqual(['VALIDATION_FAILED', ['input', 'generation', field]]);
      }
      for (const temperature of ['NaN', 'Infinity', '1'])
        expect((await ask1(send, input('Hi', { generation: { temperature } }))).code).toBe('GRAPHQL_VALIDATION_FAILED');
      const both = await ask1(send, input('Hi', { generation: { temperature: 5, topP: 5 } }));
      expect((both.data!.sendMessage as { issues: object[] }).issues).toHaveLength(2);
    });

    it.each<[string, unknown, RegExp]>([
      ['an unknown variable', { query: '{ __typename }', variables: { x: 1 } }, /__typename/],
      [
        'a variable that is missing',
        { query: 'query ($id: ID!) { conversation(id: $id) { id } }' },
        /"\$id" of required type "ID!" was not provided/,
      ],
      [
        'null where there is none',
        { query: 'query ($id: ID!) { conversation(id: $id) { id } }', variables: { id: null } },
        /"\$id" of non-null type "ID!" must not be null/,
      ],
      [
        'a value of another type',
        { query: 'query ($n: Int!) { conversations(first: $n) { totalCount } }', variables: { n: 'x' } },
        /Int cannot represent/,
      ],
      [
        'an integer that is too large',
        { query: 'query ($n: Int!) { conversations(first: $n) { totalCount } }', variables: { n: 2 ** 31 } },
        /Int cannot represent/,
      ],
      [
        'two members of a @oneOf',
        {
          query:
            'mutation { sendMessage(input: { conversation: { id: "x", new: {} }, content: { text: "x" }, idempotencyKey: "k" }) { __typename } }',
        },
        /OneOf|exactly one/i,
      ],
      [
        'no member of a @oneOf',
        {
          query:
            'mutation { sendMessage(input: { conversation: {}, content: { text: "x" }, idempotencyKey: "k" }) { __typename } }',
        },
        /OneOf|exactly one/i,
      ],
      [
        'an operation that is not there',
        { query: 'query A { __typename }', operationName: 'B' },
        /Unknown operation named "B"|operation/i,
      ],
      [
        'two operations without a choice',
        { query: '{ a: __typename } { b: __typename }' },
        /anonymous operation must be the only|operation/i,
      ],
      ['a syntax error', { query: '{ viewer { ' }, /Syntax Error/],
      ['a field that is not there', { query: '{ nothing }' }, /Cannot query field/],
      ['a query that is a number', { query: 1 }, /query/],
      ['variables that are a list', { query: '{ __typename }', variables: [1] }, /variables/],
      ['nothing to run', {}, /query/i],
      [
        'a date that is none',
        { query: '{ conversations(filter: { updatedSince: "yesterday" }) { totalCount } }' },
        /DateTime/,
      ],
      [
        'a date beyond the calendar',
        { query: '{ conversations(filter: { updatedSince: "9999-12-31T23:59:59.999Z" }) { totalCount } }' },
        /totalCount/,
      ],
    ])('18-20, 25: %s is answered in plain words', async (_, body, words) => {
      const answer = await post(body);
      expect(answer.text.replaceAll('\\"', '"')).toMatch(words);
    });

    it('20: a syntax error has its code', async () => {
      expect(await ask1('{ viewer { ')).toMatchObject({ code: 'GRAPHQL_PARSE_FAILED' });
    });

    it('23: a batch is refused', async () => {
      const answer = await post([{ query: '{ __typename }' }, { query: '{ __typename }' }]);
      expect([answer.status, answer.text]).toEqual([400, expect.stringMatching(/batch/i)]);
    });

    it('24: a body over a megabyte is refused, also where its length is not told', async () => {
      const large = JSON.stringify({ query: `{ __typename } #${'x'.repeat(1_000_001)}` });
      expect((await post(large)).status).toBe(413);
      const stream = new Blob([large]).stream();
      const init = { headers: { 'content-type': 'application/json' }, body: stream, duplex: 'half' } as RequestInit;
      expect((await request(init)).status).toBe(413);
    });

    it.each([
      ['no JSON', 'hello'],
      ['nothing', ''],
      ['null', 'null'],
      ['text', '"query"'],
      ['half of it', '{"query":"{ __typename'],
    ])('25: a body that is %s is refused with 400', async (_, body) => {
      expect((await post(body)).status).toBe(400);
    });

    it('25: a body that is no UTF-8 is no fault of ours', async () => {
      const body = Buffer.concat([
        Buffer.from('{"query":"{ __typename }","x":"'),
        Buffer.from([0xff, 0xfe, 0xc0]),
        Buffer.from('"}'),
      ]);
      expect((await request({ headers: { 'content-type': 'application/json' }, body })).status).toBeLessThan(500);
    });

    it('25: variables that are nested without end are no fault of ours', async () => {
      const deep = `${'['.repeat(100_000)}${']'.repeat(100_000)}`;
      expect((await post(`{"query":"{ __typename }","variables":{"a":${deep}}}`)).status).toBeLessThan(500);
    });

    it('25: metadata that is nested without end is refused', async () => {
      const body = (levels: number) =>
        `{"query":${JSON.stringify(create)},"variables":{"input":{"metadata":{"x":${'['.repeat(levels)}${']'.repeat(levels)}}}}}`;
      expect((await post(body(100))).text).toContain('input.metadata');
      for (const levels of [130, 6_000, 400_000])
        expect(await post(body(levels))).toMatchObject({
          status: 400,
          text: expect.stringContaining('more than 128 levels'),
        });
    });

    it.each(['text/plain', 'application/x-www-form-urlencoded', 'multipart/form-data; boundary=x'])(
      '26: a page elsewhere cannot send %s',
      async (type) => {
        const answer = await request(
          { headers: { 'content-type': type }, body: 'query=mutation{createGuestSession{__typename}}' },
          null,
        );
        expect([400, 403, 415]).toContain(answer.status);
        expect(answer.text).not.toContain('GuestSessionSuccess');
      },
    );

    it('27: a mutation by GET is refused with 405', async () => {
      const path = `/graphql?query=${encodeURIComponent('mutation { createGuestSession { __typename } }')}`;
      expect((await request({ method: 'GET', path })).status).toBe(405);
      expect((await request({ method: 'PUT', body: '{}' })).status).toBe(405);
    });

    it('28: a body that is packed is refused', async () => {
      const body = gzipSync(JSON.stringify({ query: '{ __typename }' }));
      const answer = await request({
        headers: { 'content-type': 'application/json', 'content-encoding': 'gzip' },
        body,
      });
      expect([400, 415]).toContain(answer.status);
    });

    describe('29: a token', () => {
      const bytes = new TextEncoder().encode(secret);
      const now = Math.floor(Date.now() / 1_000);
      const claims = { sub: 'alice', iss: 'colloquy', aud: 'colloquy', iat: now, exp: now + 600 };
      const signed = (more: Record<string, unknown>, by = bytes, alg = 'HS256') => {
        const payload = Object.fromEntries(
          Object.entries({ ...claims, ...more }).filter(([, value]) => value !== undefined),
        );
        return new SignJWT(payload).setProtectedHeader({ alg }).sign(by);
      };
      const bad: [string, () => Promise<string> | string | null][] = [
        ['that is missing', () => null],
        ['that is nonsense', () => 'nonsense'],
        ['of another key', () => signed({}, new TextEncoder().encode('another secret of at least thirty-two bytes'))],
        ['without a signature', () => new UnsecuredJWT(claims).encode()],
        ['that has expired', () => signed({ iat: now - 600, exp: now - 60 })],
        ['that never expires', () => signed({ exp: undefined })],
        ['for somebody else', () => signed({ aud: 'another' })],
        ['by somebody else', () => signed({ iss: 'another' })],
        ['of tomorrow', () => signed({ iat: now + 86_400, exp: now + 90_000 })],
        ['without a subject', () => signed({ sub: undefined })],
        ['of another algorithm', () => signed({}, new TextEncoder().encode(secret.repeat(2)), 'HS512')],
        ['of nine kilobytes', () => signed({ name: 'x'.repeat(7_000) })],
      ];

      it('that is good is taken', async () => {
        expect((await post({ query: '{ viewer { user { id } } }' }, await signed({}))).data).toMatchObject({
          viewer: { user: {} },
        });
      });

      it.each(bad)('%s is refused, with the same words as any other', async (_, make) => {
        const answer = await post({ query: '{ viewer { user { id } } }' }, await make());
        expect(answer.code).toBe('UNAUTHENTICATED');
        expect(answer.message).toMatch(/^A valid bearer token is needed.*"npm run token/);
        expect(answer.data ?? null).toBeNull();
      });

      it('of twenty kilobytes is refused before it is read', async () => {
        expect((await post({ query: '{ viewer { user { id } } }' }, 'x'.repeat(20_000))).status).toBe(431);
      });
    });

    it('35: idempotency keys are held to their length', async () => {
      for (const idempotencyKey of ['', 'k'.repeat(256)])
        expect((await ask1(send, input('Hi', { idempotencyKey }))).data!.sendMessage).toMatchObject({
          code: 'VALIDATION_FAILED',
          issues: [{ path: ['input', 'idempotencyKey'] }],
        });
    });

    it('44: what is not there is not found, and says where to look', async () => {
      const answer = await request({ method: 'GET', path: '/nothing' });
      expect([answer.status, answer.text]).toEqual([404, expect.stringContaining('/graphql')]);
    });

    it('serves on after all of this', async () => {
      const { turn } = await ask(alice, '[[say still here]]');
      expect(await turnOf(alice, turn.id)).toMatchObject({
        status: 'COMPLETED',
        finalMessage: { content: 'still here' },
      });
    });
  },
  embedded,
);

describeSettings(
  'models that are not there',
  ({ storage, redis }) => {
    let world: World;
    let alice: TestClient;

    beforeAll(async () => {
      // Nothing configured: the scripted model answers, and only that.
      world = await createWorld(storage, {
        redis,
        env: { OPENAI_API_KEY: '', OPENAI_BASE_URL: '', OPENAI_MODEL: '', SCRIPTED_TOKENS_PER_SECOND: '4000' },
      });
      alice = await world.client(await world.start());
    });
    afterAll(() => world.close());

    it('15: are refused with the ones that are, and what is missing for the others', async () => {
      const tell = async (model: string) =>
        expectType(await trySend(alice, 'Hi', { generation: { model } }), 'ProviderError');
      expect(await tell('no-such-model')).toMatchObject({
        code: 'INVALID_MODEL',
        retryable: false,
        message: expect.stringMatching(/no-such-model.*scripted-1/),
      });
      expect(await tell('gpt-4o')).toMatchObject({
        code: 'PROVIDER_NOT_CONFIGURED',
        message: expect.stringMatching(/OPENAI_API_KEY.*scripted-1/),
      });
      expect((await tell('x'.repeat(100_000))).message.length).toBeLessThan(400);
      const { createConversation } = await alice.request(CreateDocument, { input: { model: 'no-such-model' } });
      expect(createConversation).toMatchObject({ __typename: 'ProviderError', code: 'INVALID_MODEL' });
      expect((await alice.request(ConversationsDocument, {})).conversations.totalCount).toBe(0);
    });

    it('leave the scripted one, which answers at once, and is priced', async () => {
      const sent = {
        input: {
          conversation: { new: {} },
          content: { text: '[[say hello]]' },
          idempotencyKey: randomUUID(),
          waitFor: 'FINISHED' as const,
        },
      };
      const { sendMessage } = await alice.request(SendDocument, sent);
      const { turn } = expectType(sendMessage, 'SendMessageSuccess');
      expect(turn).toMatchObject({
        status: 'COMPLETED',
        model: 'scripted-1',
        provider: 'scripted',
        finalMessage: { content: 'hello' },
        usage: [{ isPriced: true }],
      });
    });
  },
  embedded,
);
