import { afterAll, beforeAll, expect, it } from 'vitest';
import type { App } from '../../src/app/build-app.ts';
import { createWorld, describeSettings, tokenFor, type World } from '../kit/app.ts';
import type { TestClient } from '../kit/client.ts';
import { type Message, openAs, openRaw, type RawSocket } from '../kit/raw-socket.ts';
import { resultsOverSse } from '../kit/sse.ts';
import { ask, send } from '../kit/story.ts';
import { until } from '../kit/until.ts';

const errorsOf = ({ type, payload }: Message) =>
  (type === 'error' ? payload : (payload as { errors?: unknown }).errors) as
    | { message: string; extensions: { code?: string } }[]
    | undefined;
const greeting = { type: 'connection_init' };

describeSettings(
  'a client that misuses its WebSocket',
  ({ storage }) => {
    let world: World;
    let app: App;
    let alice: TestClient;

    beforeAll(async () => {
      world = await createWorld(storage);
      app = await world.start({ SUBSCRIPTIONS_PER_SOCKET: '3', SOCKETS_PER_USER: '4', SOCKETS_PER_ADDRESS: '40' });
      alice = await world.client(app);
    });
    afterAll(() => world.close());

    const operation = (id: string, query = '{ __typename }') => ({ id, type: 'subscribe', payload: { query } });
    const misuses: [string, number, (raw: RawSocket) => void][] = [
      ['says nothing', 4408, () => {}],
      ['sends what is no JSON', 4400, ({ say }) => say('hello')],
      ['sends bytes that mean nothing', 4400, ({ say }) => say(Buffer.from([0, 255, 1, 254]))],
      ['sends JSON that is no message', 4400, ({ say }) => say('[1]')],
      ['sends a message of no known type', 4400, ({ say }) => say({ type: 'start', id: '1' })],
      ['sends an operation that is a number', 4400, ({ say }) => say({ id: '1', type: 'subscribe', payload: 1 })],
      ['sends a query that is a number', 4400, ({ say }) => say({ id: '1', type: 'subscribe', payload: { query: 1 } })],
      [
        'sends variables that are a list',
        4400,
        ({ say }) => say({ id: '1', type: 'subscribe', payload: { query: '{ __typename }', variables: [1] } }),
      ],
      [
        'sends an operation without an id',
        4400,
        ({ say }) => say({ type: 'subscribe', payload: { query: '{ __typename }' } }),
      ],
      ['begins twice', 4429, ({ say }) => [greeting, greeting].forEach(say)],
      ['asks before it was let in', 4401, ({ say }) => say(operation('1'))],
      ['comes with another protocol', 4406, () => {}],
      ['sends more than eight kilobytes before it was let in', 1009, ({ say }) => say(Buffer.alloc(8_193, 'x'))],
      [
        'sends text that is no UTF-8',
        1007,
        ({ socket }) => socket.send(Buffer.from([0x22, 0xff, 0xfe, 0x22]), { binary: false }),
      ],
      [
        'comes with nonsense for a token',
        4403,
        ({ say }) => say({ ...greeting, payload: { authorization: 'Bearer nonsense' } }),
      ],
    ];

    it.each(misuses)('and %s is closed with %i', async (what, code, misuse) => {
      const raw = await openRaw(app.url!, what.includes('protocol') ? { protocol: [] } : {});
      misuse(raw);
      expect(await raw.end()).toBe(code);
    });

    it('and gives two operations one id is closed with 4409', async () => {
      const { conversation } = await ask(alice, '[[say hello]]');
      const raw = await openAs(app.url!, alice.token);
      const query = `subscription { conversationEvents(conversationId: "${conversation.id}") { cursor } }`;
      for (let time = 0; time < 2; time++) raw.say(operation('same', query));
      expect(await raw.end()).toBe(4409);
    });

    it('gets an answer to a bad operation, and keeps its socket', async () => {
      const raw = await openAs(app.url!, alice.token);
      const wide = 'query ($n: Int) { conversations(first: $n) { nodes { messages(last: $n) { nodes { id } } } } }';
      const bad: [payload: object, code: string][] = [
        [{ query: '{ viewer {' }, 'GRAPHQL_PARSE_FAILED'],
        [{ query: '{ nothing }' }, 'GRAPHQL_VALIDATION_FAILED'],
        [{ query: '{ viewer { user { nothing } } }' }, 'GRAPHQL_VALIDATION_FAILED'],
        [
          { query: `{ ${'conversations { nodes { owner '.repeat(20)}{ id } ${'} }'.repeat(20)} }` },
          'QUERY_TOO_COMPLEX',
        ],
        [{ query: wide, variables: { n: 100 } }, 'QUERY_TOO_COMPLEX'], // known only when it is about to run
        [{ query: wide.replace('Int', 'Int = 100') }, 'QUERY_TOO_COMPLEX'],
        [
          { query: 'query ($n: Int!) { conversations(first: $n) { totalCount } }', variables: { n: 'x' } },
          'GRAPHQL_VALIDATION_FAILED',
        ],
        [{ query: '{ conversationEvents(conversationId: "x", after: 1) { cursor } }' }, 'GRAPHQL_VALIDATION_FAILED'],
        [{ query: 'query A { __typename }', operationName: 'B' }, 'OPERATION_RESOLUTION_FAILURE'],
        [{ query: 'query A { __typename } query B { __typename }' }, 'OPERATION_RESOLUTION_FAILURE'],
        [{ query: 'fragment A on Query { __typename }' }, 'GRAPHQL_VALIDATION_FAILED'],
        [{ query: '' }, 'GRAPHQL_PARSE_FAILED'],
        [{ query: '{ conversationEvents(conversationId: "x") { cursor } }' }, 'VALIDATION_FAILED'],
        [{ query: 'subscription { turnEvents(turnId: "x") { cursor } }' }, 'VALIDATION_FAILED'],
      ];
      for (const [at, [payload, code]] of bad.entries()) {
        const errors = errorsOf(await raw.ask(`bad ${at}`, payload));
        expect(errors?.[0]?.extensions.code, JSON.stringify(payload).slice(0, 100)).toBe(code);
      }
      expect(raw.closed).toBeNull();
    });

    it('may send any number of bad operations: none of them takes the place of a good one', async () => {
      const raw = await openAs(app.url!, alice.token);
      const bad = ['{ nothing }', '{', 'query A { __typename }'];
      for (let at = 0; at < 30; at++) await raw.ask(`bad ${at}`, { query: bad[at % 3], operationName: 'B' });
      expect(await raw.ask('good', { query: '{ __typename }' })).toMatchObject({
        type: 'next',
        payload: { data: { __typename: 'Query' } },
      });
      raw.socket.terminate();
    });

    it('and opens one operation too many gets an error for that one, and its place back when another ends', async () => {
      const { conversation } = await ask(alice, '[[say hello]]');
      const raw = await openAs(app.url!, alice.token);
      const query = `subscription { conversationEvents(conversationId: "${conversation.id}") { cursor } }`;
      for (const id of ['1', '2', '3']) expect((await raw.ask(id, { query })).type).toBe('next');
      expect(errorsOf(await raw.ask('4', { query }))).toMatchObject([
        { message: expect.stringContaining('3'), extensions: { code: 'RATE_LIMITED' } },
      ]);
      raw.say({ id: '1', type: 'complete' });
      await until(async () => (await raw.ask(`again ${raw.received.length}`, { query })).type === 'next', 'a place');
      expect(raw.closed).toBeNull();
      raw.socket.terminate();
    });

    it('may have as many sockets as a user may: the next is closed with 1013, until one of them closes', async () => {
      const token = await tokenFor('collector');
      const sockets = await Promise.all([1, 2, 3, 4].map(() => openAs(app.url!, token)));
      const fifth = await openRaw(app.url!);
      fifth.say({ ...greeting, payload: { authorization: `Bearer ${token}` } });
      expect(await fifth.end()).toBe(1013);
      expect(fifth.closed!.reason).toMatch(/4 sockets/);
      (await openAs(app.url!, await tokenFor('somebody else'))).socket.terminate();
      sockets[0]!.socket.terminate();
      await until(async () => openAs(app.url!, token).catch(() => null), 'a place');
    });

    it('may have as many streams over server-sent events as sockets, and none stays counted that has ended', async () => {
      const client = await world.client(app, 'streamer');
      const { conversation } = await ask(client, '[[say hello]]');
      const query = `subscription { conversationEvents(conversationId: "${conversation.id}") { cursor } }`;
      const open = () => resultsOverSse(client, query, {});
      const codeOf = async (stream: ReturnType<typeof open>) =>
        (await stream.next()).value?.errors?.[0]?.extensions?.code;
      for (let round = 0; round < 3; round++) {
        const streams = [1, 2, 3, 4].map(open);
        for (const stream of streams)
          expect(await until(() => codeOf(stream).then((code) => code ?? 'none'))).toBe('none');
        expect(await codeOf(open())).toBe('RATE_LIMITED');
        await Promise.all(streams.map((stream) => stream.return()));
        await until(async () => {
          const trial = open();
          const code = await codeOf(trial);
          await trial.return();
          return code === undefined;
        }, 'a place');
      }
    });

    it('is refused a socket with 429 where its address has too many', async () => {
      const few = await world.start({ SOCKETS_PER_ADDRESS: '2' });
      const [first] = await Promise.all([openAs(few.url!, alice.token), openAs(few.url!, alice.token)]);
      await expect(openRaw(few.url!)).rejects.toThrow('429');
      first.socket.terminate();
      await until(() => openRaw(few.url!).catch(() => null), 'a place');
    });

    it('is cut off where the process has as many connections as it may', async () => {
      const few = await world.start({ MAX_CONNECTIONS: '2' });
      const held = [await openAs(few.url!, alice.token), await openAs(few.url!, alice.token)];
      await expect(fetch(`${few.url}/healthz`)).rejects.toThrow();
      held[0]!.socket.terminate();
      expect(
        await until(() =>
          fetch(`${few.url}/healthz`).then(
            ({ status }) => status,
            () => null,
          ),
        ),
      ).toBe(200);
    });

    it('and sends faster than it may is read no faster, and loses nothing', async () => {
      const slow = await world.start({ SOCKET_MESSAGES_PER_SECOND: '50' });
      const raw = await openRaw(slow.url!);
      raw.say(greeting);
      const start = performance.now();
      for (let at = 0; at < 200; at++) raw.say({ type: 'ping', payload: { at } });
      const pongs = () => raw.received.filter(({ type }) => type === 'pong');
      await until(() => pongs().length === 200, 'every pong');
      raw.say({ type: 'ping', payload: { at: 200 } });
      await until(() => pongs().length === 201, 'the last pong');
      expect(performance.now() - start).toBeGreaterThan(2_500);
      expect(pongs().map(({ payload }) => (payload as { at: number }).at)).toEqual(
        Array.from({ length: 201 }, (_, at) => at),
      );
      raw.socket.terminate();
    });

    it('and does not fetch its answers is read no further until it does, and loses nothing', async () => {
      const raw = await openAs(app.url!, alice.token);
      raw.socket.pause();
      const count = 40;
      const answered = () => new Set(raw.received.map(({ id }) => id)).size - 1;
      // The answer says what is wrong with the value, and repeats it.
      const payload = {
        query: 'query ($a: Int) { conversations(first: $a) { totalCount } }',
        variables: { a: 'x'.repeat(900_000) },
      };
      for (let at = 0; at < count; at++) raw.say({ id: String(at), type: 'subscribe', payload });
      let waiting = 0;
      let still = 0;
      await until(() => {
        still = raw.socket.bufferedAmount === waiting ? still + 1 : 0;
        waiting = raw.socket.bufferedAmount;
        return still === 50; // the server takes no more
      }, 'the end of the reading');
      expect(waiting).toBeGreaterThan(15_000_000);
      raw.socket.resume();
      await until(() => answered() === count, 'every answer', 30_000);
      raw.socket.terminate();
    });

    it('does not disturb others', async () => {
      const { turn } = await send(alice, '[[say undisturbed]]', { waitFor: 'FINISHED' });
      expect(turn.status).toBe('COMPLETED');
    });
  },
  ({ storage, redis }) => storage.name === 'postgres' && !redis,
);
