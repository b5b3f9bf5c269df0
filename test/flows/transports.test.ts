import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import type { ExecutionResult, GraphQLFormattedError } from 'graphql';
import type { Client } from 'graphql-ws';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type RawData, WebSocket } from 'ws';
import type { App } from '../../src/app/build-app.ts';
import { encodeEventCursor } from '../../src/events/index.ts';
import { fromGlobalId, toGlobalId } from '../../src/kernel/global-id.ts';
import {
  ConversationDocument,
  DeleteDocument,
  type EventFragment,
  type FrameFragment,
  LiveDocument,
  PollDocument,
  TurnLiveDocument,
  UpdateDocument,
} from '../generated/graphql.ts';
import { createWorld, describeSettings, tokenFor, type World } from '../kit/app.ts';
import { createTestClient, framesOf, type TestClient } from '../kit/client.ts';
import { createReader, type Reader } from '../kit/reader.ts';
import { joinWorld } from '../kit/shared-world.ts';
import { sql } from '../kit/sql.ts';
import { framesOverSse, resultsOverSse } from '../kit/sse.ts';
import { ask, follow, hasFinished, send, textSoFar, turnOf } from '../kit/story.ts';
import { until } from '../kit/until.ts';

type Open = (
  client: TestClient,
  from: { id: string; after: string | null; coalesceMs?: number },
) => AsyncIterable<FrameFragment>;

const overSocket: Open = (client, from) => framesOf(client.socket(), LiveDocument, from);
const overSse: Open = (client, from) => framesOverSse(client, LiveDocument, from);
/** As a client without sockets would: asks again with its last cursor. */
const byPolling: Open = async function* (client, { id, after }) {
  for (let cursor = after; ; ) {
    const { conversationEvents: frame } = await client.request(PollDocument, { id, after: cursor, limit: 7 });
    cursor = frame.cursor;
    yield frame;
  }
};
const transports: [string, Open][] = [
  ['graphql-ws', overSocket],
  ['SSE', overSse],
  ['polling', byPolling],
];

async function read(
  frames: AsyncIterable<FrameFragment>,
  enough: (reader: Reader) => boolean = hasFinished,
  reader = createReader(),
): Promise<Reader> {
  for await (const frame of frames) {
    reader.take(frame);
    if (enough(reader)) break;
  }
  return reader;
}

/** What no transport may change: every event but the deltas, whose batches depend on the moment, and the text. */
const essence = (reader: Reader) => ({
  events: reader.events
    .filter(({ __typename }) => __typename !== 'TextDeltaEvent')
    .map(({ seq, __typename }: EventFragment) => `${seq} ${__typename}`),
  text: textSoFar(reader),
  cursor: reader.cursor,
});

const cursorFor = (conversation: string, seq: number, epoch = 1) =>
  encodeEventCursor({ conversationId: fromGlobalId(conversation)!.id, epoch, seq });

describeSettings('transports', ({ storage, redis }) => {
  let world: World;
  let alice: TestClient;

  beforeAll(async () => {
    world = await joinWorld(storage, redis);
    alice = await world.client(await world.start());
  });
  afterAll(() => world.close());

  it('gives the same events, text and cursors over every transport', async () => {
    const { cursor, conversation } = await send(alice, 'Tell me [[tokens 80]]');
    const from = { id: conversation.id, after: cursor, coalesceMs: 0 };
    const readers = await Promise.all(transports.map(([, open]) => read(open(alice, from))));
    const [first, ...others] = readers.map(essence);
    expect(first!.text).toMatch(/^word1 .* word80$/);
    for (const other of others) expect(other).toEqual(first);
  });

  it('resumes over any transport at a cursor of any other', async () => {
    const { cursor, conversation } = await send(alice, 'Tell me [[tokens 80]]');
    const from = { id: conversation.id, coalesceMs: 0 };
    const whole = read(overSocket(alice, { ...from, after: cursor }));
    const reader = createReader();
    for (let turn = 0; !hasFinished(reader); turn++) {
      const size = textSoFar(reader).length;
      const further = (each: Reader) => hasFinished(each) || textSoFar(each).length > size + 20;
      await read(transports[turn % 3]![1](alice, { ...from, after: reader.cursor ?? cursor }), further, reader);
    }
    expect(essence(reader)).toEqual(essence(await whole));
  });

  it('tells every reader that the conversation was deleted, ends their streams and stops its turn', async () => {
    const marker = randomUUID();
    const { cursor, conversation } = await send(alice, `${marker} [[hold]]`);
    const { id } = conversation;
    await follow(alice, { id, after: cursor }, (reader) => textSoFar(reader) !== '');
    const begun = new Set<Reader>();
    const never = (reader: Reader) => begun.add(reader).size < 0;
    const streams = [overSocket, overSse].map((open) => read(open(alice, { id, after: cursor }), never));
    await until(() => begun.size === 2, 'both streams');
    await alice.request(DeleteDocument, { id });
    for (const reader of await Promise.all(streams))
      expect(reader.events.at(-1)).toMatchObject({ __typename: 'ConversationDeletedEvent', conversationId: id });
    const call = world.model.calls.find(({ messages }) => messages.at(-1)!.content.includes(marker))!;
    await expect.poll(() => call.aborted).toBe(true);
    expect((await alice.request(ConversationDocument, { id })).conversation).toBeNull();
    await expect(read(overSocket(alice, { id, after: cursor }))).rejects.toThrow(
      'There is no conversation with this id',
    );
  });
});

describeSettings(
  'readers and the log',
  ({ storage, redis }) => {
    let world: World;
    let alice: TestClient;

    beforeAll(async () => {
      world = await createWorld(storage, { redis });
      alice = await world.client(await world.start());
    });
    afterAll(() => world.close());

    it.each(transports)(
      'gives a reader whose cursor is of another epoch the present state, then what comes: %s',
      async (_, open) => {
        const { cursor, conversation, turn } = await ask(alice, '[[say before]]');
        const { id } = conversation;
        await sql(world, 'UPDATE conversation_log SET epoch = 2 WHERE conversation_id = $1', [fromGlobalId(id)!.id]);
        const reader = await read(open(alice, { id, after: cursor }), (each) => each.events.length > 0);
        expect(reader.events).toMatchObject([{ __typename: 'SnapshotEvent', conversation: { id } }]);
        expect(reader.text(turn.finalMessage!.id)).toBe('before');
        await send(alice, '[[say after]]', { to: id });
        await read(open(alice, { id, after: reader.cursor }), hasFinished, reader);
        expect(textSoFar(reader)).toBe('after');
      },
    );

    it('also where it reads one turn', async () => {
      const { cursor, conversation, turn } = await ask(alice, '[[say before]]');
      await sql(world, 'UPDATE conversation_log SET epoch = 2 WHERE conversation_id = $1', [
        fromGlobalId(conversation.id)!.id,
      ]);
      const reader = createReader();
      for await (const frame of framesOf(alice.socket(), TurnLiveDocument, { id: turn.id, after: cursor }))
        reader.take(frame);
      expect(reader.events).toMatchObject([{ __typename: 'SnapshotEvent', conversation: { id: conversation.id } }]);
      expect(reader.text(turn.finalMessage!.id)).toBe('before');
    });

    it.each(transports)(
      'gives a reader that is too far behind the present state in place of every event: %s',
      async (_, open) => {
        const { cursor, conversation, turn } = await ask(alice, '[[say before]]');
        const { id } = conversation;
        await sql(world, 'UPDATE conversation_log SET head = head + 50000 WHERE conversation_id = $1', [
          fromGlobalId(id)!.id,
        ]);
        const reader = await read(open(alice, { id, after: cursor }), (each) => each.events.length > 0);
        expect(reader.events).toMatchObject([{ __typename: 'SnapshotEvent' }]);
        expect(reader.text(turn.finalMessage!.id)).toBe('before');
        await send(alice, '[[say after]]', { to: id });
        await read(open(alice, { id, after: reader.cursor }), hasFinished, reader);
        expect(textSoFar(reader)).toBe('after');
      },
    );
  },
  (setting) => setting.storage.name === 'postgres' && !setting.redis,
);

describeSettings(
  'streams',
  ({ storage, redis }) => {
    const allowed = 'https://app.example.com';
    let world: World;
    let app: App;
    let alice: TestClient;

    beforeAll(async () => {
      world = await createWorld(storage, { redis, env: { CORS_ORIGIN: allowed } });
      app = await world.start();
      alice = await world.client(app);
    });
    afterAll(() => world.close());

    const address = () => `${app.url!.replace('http', 'ws')}/graphql`;
    const isIn = (reader: Reader) => textSoFar(reader) !== '';
    const held = async (text = 'Wait [[hold]]') => {
      const sent = await send(alice, text);
      await follow(alice, { id: sent.conversation.id, after: sent.cursor }, isIn);
      return sent;
    };

    it('begin with a snapshot where no cursor is given', async () => {
      const { conversation } = await ask(alice, '[[say hello]]');
      for (const [, open] of transports) {
        const reader = await read(open(alice, { id: conversation.id, after: null }), (each) => each.events.length > 0);
        expect(reader.events).toMatchObject([{ __typename: 'SnapshotEvent', conversation: { id: conversation.id } }]);
        expect(reader.cursor).toBe(conversation.eventCursor);
      }
    });

    /** Errors come as a result where the operation could not be begun, and as the end of the stream where it broke. */
    const errorsOf = (socket: Client, query: string): Promise<readonly GraphQLFormattedError[] | undefined> =>
      socket
        .iterate({ query })
        .next()
        .then(
          ({ value }) => (value as ExecutionResult | undefined)?.errors?.map((error) => ({ ...error })),
          (errors: GraphQLFormattedError[]) => errors,
        );

    describe('refuse a cursor', () => {
      const refusals = async (id: string, after: string): Promise<string[]> => {
        const polled = await alice.execute(PollDocument, { id, after });
        const overWire = (await resultsOverSse(alice, LiveDocument, { id, after }).next()).value;
        const query = `subscription { conversationEvents(conversationId: "${id}", after: ${JSON.stringify(after)}) { cursor } }`;
        const onSocket = { errors: await errorsOf(alice.socket(), query) };
        return [polled, overWire, onSocket].map(
          (result) => `${result?.errors?.[0]?.extensions?.code} ${result?.errors?.[0]?.message}`,
        );
      };

      it.each([
        ['abc'],
        [''],
        ['-1'],
        ['0'],
        ['2147483648'],
        ['x'.repeat(10_000)],
        [Buffer.alloc(29, 0xff).toString('base64url')],
      ])('that is none: %.30s', async (after) => {
        const { conversation } = await ask(alice, '[[say hello]]');
        for (const refusal of await refusals(conversation.id, after))
          expect(refusal).toMatch(/^VALIDATION_FAILED after: is not an event cursor/);
      });

      it('of another conversation', async () => {
        const [one, two] = [await ask(alice, '[[say one]]'), await ask(alice, '[[say two]]')];
        for (const refusal of await refusals(one.conversation.id, two.cursor))
          expect(refusal).toBe('STALE_CURSOR This cursor belongs to another conversation.');
      });

      it('that lies ahead of the log', async () => {
        const { conversation } = await ask(alice, '[[say hello]]');
        for (const refusal of await refusals(conversation.id, cursorFor(conversation.id, 1_000)))
          expect(refusal).toBe('STALE_CURSOR This cursor lies ahead of the log of this conversation.');
      });
    });

    it('answer a bad operation with an error, and the socket and what else runs on it live on', async () => {
      const { conversation, cursor } = await held();
      const socket = alice.socket();
      let closed = 0;
      socket.on('closed', () => {
        closed += 1;
      });
      const running = read(framesOf(socket, LiveDocument, { id: conversation.id, after: cursor }));
      const bad: [string, RegExp][] = [
        ['subscription { ', /Syntax Error/],
        ['subscription { nothing }', /Cannot query field .*nothing/],
        ['subscription { conversationEvents(conversationId: 1.5) { cursor } }', /ID cannot represent/],
        [
          `subscription { conversationEvents(conversationId: "${toGlobalId('Conversation', randomUUID())}") { cursor } }`,
          /There is no conversation/,
        ],
        [`subscription { turnEvents(turnId: "${toGlobalId('Turn', randomUUID())}") { cursor } }`, /There is no turn/],
        [
          'subscription { conversationEvents(conversationId: "nonsense") { cursor } }',
          /is not the id of a Conversation/,
        ],
        [
          `subscription { conversationEvents(conversationId: "${conversation.id}", coalesceMs: -1) { cursor } }`,
          /between 0 and 10000, but is -1/,
        ],
        ['query A { __typename } query B { __typename }', /operation/i],
      ];
      for (const [query, words] of bad) {
        const errors = await errorsOf(socket, query);
        expect(JSON.stringify(errors)).toMatch(words);
        expect(JSON.stringify(errors)).not.toMatch(/INTERNAL|node_modules/);
      }
      world.model.release();
      expect((await running).finished).toMatchObject([{ status: 'COMPLETED' }]);
      expect(closed).toBe(0);
    });

    it("answer for another's conversation just as for one that does not exist", async () => {
      const { conversation, turn } = await ask(alice, '[[say mine]]');
      const bob = await world.client(app, 'bob');
      const tell = async (field: string) =>
        JSON.stringify(
          (await resultsOverSse(bob, `subscription { ${field} { cursor } }`, {}).next()).value?.errors?.map(
            ({ message, extensions }) => [message, extensions],
          ),
        );
      const foreign = await tell(`conversationEvents(conversationId: "${conversation.id}")`);
      expect(foreign).toMatch(/NOT_FOUND/);
      expect(await tell(`conversationEvents(conversationId: "${toGlobalId('Conversation', randomUUID())}")`)).toBe(
        foreign,
      );
      const foreignTurn = await tell(`turnEvents(turnId: "${turn.id}")`);
      expect(foreignTurn).toMatch(/NOT_FOUND/);
      expect(await tell(`turnEvents(turnId: "${toGlobalId('Turn', randomUUID())}")`)).toBe(foreignTurn);
    });

    it('end when the token does: the socket closes with 4403, SSE says UNAUTHENTICATED', async () => {
      const { conversation, cursor, turn } = await held();
      const from = { id: conversation.id, after: cursor };
      // A token counts from the last full second: of four seconds more than three are left, also on a machine that is
      // busy.
      const short = createTestClient(app.url!, await tokenFor('alice', { ttlSeconds: 4 }));
      const socket = short.socket();
      const closed = new Promise<{ code: number }>((resolve) =>
        socket.on('closed', (event) => resolve(event as { code: number })),
      );
      const streams = read(framesOf(socket, LiveDocument, from), () => false).catch(() => 'cut');
      const results = [];
      for await (const result of resultsOverSse(short, LiveDocument, from)) results.push(result);
      expect(results.length).toBeGreaterThan(1);
      expect(results.slice(0, -1).every(({ errors }) => !errors)).toBe(true);
      expect(results.at(-1)!.errors![0]!.extensions).toMatchObject({ code: 'UNAUTHENTICATED' });
      expect((await closed).code).toBe(4403);
      expect(await streams).toBe('cut');
      expect(await turnOf(alice, turn.id)).toMatchObject({ status: 'RUNNING' });
      world.model.release();
      await short.close();
    });

    /** One that was good for a minute, an hour ago. */
    const expiredToken = () => tokenFor('alice', { ttlSeconds: 60, clockMs: -3_600_000 });

    it.each([
      ['nonsense', 'nonsense'],
      ['an expired one', 'expired'],
      ['one that is no text', 7],
    ])('close the socket with 4403 for a bad token: %s', async (_, given) => {
      const token = given === 'expired' ? await expiredToken() : given;
      const authorization = typeof token === 'string' ? `Bearer ${token}` : token;
      const socket = new WebSocket(address(), 'graphql-transport-ws');
      await once(socket, 'open');
      socket.send(JSON.stringify({ type: 'connection_init', payload: { authorization } }));
      const [code] = (await once(socket, 'close')) as [number];
      expect(code).toBe(4403);
    });

    it('let nobody in whose token is missing, except to ask for a guest session', async () => {
      const nobody = await world.client(app, null);
      const tell = (await nobody.socket().iterate({ query: '{ viewer { user { id } } }' }).next()).value;
      expect(tell?.errors?.[0]?.extensions).toMatchObject({ code: 'UNAUTHENTICATED' });
      const guest = (
        await nobody
          .socket()
          .iterate<{ createGuestSession: object }>({ query: 'mutation { createGuestSession { __typename } }' })
          .next()
      ).value;
      expect(guest?.data?.createGuestSession).toEqual({ __typename: 'GuestSessionSuccess' });
    });

    it('open for pages of this server and of listed origins only', async () => {
      const tried = async (origin: string | undefined): Promise<number> => {
        const socket = new WebSocket(address(), 'graphql-transport-ws', origin ? { origin } : {});
        const status = await Promise.race([
          once(socket, 'open').then(() => 101),
          once(socket, 'unexpected-response').then(([, response]) => (response as { statusCode: number }).statusCode),
        ]);
        socket.on('error', () => {});
        socket.terminate();
        return status;
      };
      expect(await tried(undefined)).toBe(101);
      expect(await tried(allowed)).toBe(101);
      expect(await tried(app.url!)).toBe(101);
      for (const origin of [
        'https://evil.example',
        'null',
        `${app.url!}.evil.example`,
        'https://app.example.com.evil.example',
        'http://app.example.com',
      ])
        expect(await tried(origin)).toBe(403);
    });

    it('never stop a turn by being closed', async () => {
      const marker = randomUUID();
      const { turn, conversation, cursor } = await send(alice, `${marker} [[hold]]`);
      const from = { id: conversation.id, after: cursor };
      await Promise.all([overSocket, overSse].map((open) => read(open(alice, from), isIn)));
      const rude = new WebSocket(address(), 'graphql-transport-ws');
      await once(rude, 'open');
      rude.send(JSON.stringify({ type: 'connection_init', payload: { authorization: `Bearer ${alice.token}` } }));
      await once(rude, 'message');
      const query = `subscription { turnEvents(turnId: "${turn.id}") { cursor } }`;
      rude.send(JSON.stringify({ id: '1', type: 'subscribe', payload: { query } }));
      const [data] = (await once(rude, 'message')) as [RawData];
      expect(String(data)).toContain('"next"');
      rude.terminate();
      const call = await until(() =>
        world.model.calls.find(({ messages }) => messages.at(-1)!.content.includes(marker)),
      );
      expect(call.aborted).toBe(false);
      world.model.release();
      await expect.poll(async () => (await turnOf(alice, turn.id)).status).toBe('COMPLETED');
    });

    it('keep the least time between frames that is asked for, and refuse what is out of bounds', async () => {
      const { conversation } = await ask(alice, '[[say hello]]');
      const { id } = conversation;
      for (const coalesceMs of [-1, 10_001]) {
        const { value } = await resultsOverSse(alice, LiveDocument, { id, after: null, coalesceMs }).next();
        expect(value?.errors?.[0]).toMatchObject({
          message: `coalesceMs: must be between 0 and 10000, but is ${coalesceMs}`,
          extensions: { code: 'VALIDATION_FAILED' },
        });
      }
      for (const coalesceMs of [0, 10_000])
        await read(overSse(alice, { id, after: null, coalesceMs }), (reader) => reader.events.length > 0);

      const sent = await send(alice, '[[tokens 200]]', { to: id });
      const frames = async (coalesceMs: number) => {
        let count = 0;
        const reader = createReader();
        for await (const frame of framesOverSse(alice, TurnLiveDocument, { id: sent.turn.id, coalesceMs })) {
          count += 1;
          reader.take(frame);
        }
        return { count, text: textSoFar(reader) };
      };
      const [fast, slow] = await Promise.all([frames(0), frames(250)]);
      expect(fast.text).toBe(slow.text);
      // Half a second of streaming: a frame at once, one for each quarter of a second, and the rest.
      expect(slow.count).toBeLessThanOrEqual(6);
      expect(fast.count).toBeGreaterThan(slow.count);
    });

    it('of one turn complete by themselves: live, afterwards, and after their end', async () => {
      const { turn, conversation, cursor } = await send(alice, '[[tokens 20]]');
      const readTurn = async (after?: string) => {
        const reader = createReader();
        for await (const frame of framesOf(alice.socket(), TurnLiveDocument, {
          id: turn.id,
          ...(after ? { after } : {}),
        }))
          reader.take(frame);
        return reader;
      };
      const live = await readTurn();
      expect(live.events.at(-1)!.__typename).toBe('TurnFinishedEvent');
      const later = await readTurn(cursor);
      expect(essence(later).events).toEqual(essence(live).events);
      expect((await readTurn(live.cursor!)).events).toEqual([]);
      await ask(alice, '[[say another]]', { to: conversation.id });
      expect(essence(await readTurn()).events).toEqual(essence(live).events);
      expect((await readTurn(live.cursor!)).events).toEqual([]);
    });

    it('tell what changes in a conversation besides its turns', async () => {
      const { conversation } = await ask(alice, '[[say hello]]');
      const { id } = conversation;
      const streams = [overSocket, overSse].map((open) =>
        read(open(alice, { id, after: conversation.eventCursor }), (reader) => reader.events.length > 0),
      );
      await alice.request(UpdateDocument, { input: { id, title: 'Another title' } });
      for (const reader of await Promise.all(streams))
        expect(reader.events).toMatchObject([
          { __typename: 'ConversationUpdatedEvent', turnId: null, conversation: { title: 'Another title' } },
        ]);
    });
  },
  (setting) => setting.storage.name === 'embedded' && !setting.redis,
);
